"""The published table of errors: each code and each machine word means one thing."""

import importlib
from collections import defaultdict
from collections.abc import Iterator

from app.core.errors import AppError
from tests.architecture.source import modules


def _tree(error: type[AppError] = AppError) -> Iterator[type[AppError]]:
    yield error
    for leaf in error.__subclasses__():
        yield from _tree(leaf)


def _ours() -> list[type[AppError]]:
    """Every class of the product's source, whether or not anything imported it yet."""
    for module in modules():
        if module.name.startswith("app.") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return [error for error in _tree() if error.__module__.startswith("app.")]


def test_each_code_is_one_error() -> None:
    by_code = defaultdict(set)
    for error in _ours():
        by_code[error.status * 100 + error.number].add(_name(error))
    assert {code: names for code, names in by_code.items() if len(names) > 1} == {}


def test_each_reason_is_one_error() -> None:
    """A class that refines another has a word of its own as well."""
    by_reason = defaultdict(set)
    for error in _ours():
        by_reason[error.reason].add(_name(error))
    assert {reason: names for reason, names in by_reason.items() if len(names) > 1} == {}


def test_each_number_fits_its_code() -> None:
    assert [_name(error) for error in _ours() if not 0 <= error.number < 100] == []


def _name(error: type[AppError]) -> str:
    return f"{error.__module__}.{error.__name__}"

"""Rules that keep the house standing: one reader of the environment, one clock, no float money."""

import ast
from collections.abc import Iterator

from sqlalchemy import BigInteger, Column, Float, Numeric

import app  # noqa: F401  (completes the metadata)
from app.core.database import Base
from tests.architecture.source import Module, modules

MODULES = modules()

CLOCKS = {
    ("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow"),
    ("datetime", "today"), ("date", "today"),
}  # fmt: skip


def test_only_config_reads_the_environment() -> None:
    readers = {
        module.name
        for module in MODULES
        for owner, name in _attributes(module)
        if (owner, name) in {("os", "environ"), ("os", "getenv"), ("os", "putenv")}
    }
    assert readers == {"config"}


def test_only_the_clock_asks_for_the_time() -> None:
    askers = {
        module.name
        for module in MODULES
        for each in _attributes(module)
        if each in CLOCKS and not module.name.startswith("app.sandbox")
    }
    assert askers <= {"app.core.clock"}


def test_no_column_holds_a_float() -> None:
    """Numeric too: it comes back as a float or a Decimal, as the driver likes."""
    wrong = [str(column) for column in _columns() if isinstance(column.type, Float | Numeric)]
    assert wrong == []


def test_money_is_whole_nanos() -> None:
    money = [column for column in _columns() if column.name.endswith("_nanos")]
    assert money, "there are money columns"
    assert [str(column) for column in money if not isinstance(column.type, BigInteger)] == []


def test_rules_leave_the_commit_to_the_edge() -> None:
    """But for the delivery of mails, which holds no transaction while it talks to a mail server."""
    committers = {
        module.name
        for module in MODULES
        if module.name.startswith("app.domain.")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "commit"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("session", "db")
    }
    assert committers <= {"app.domain.mail.delivery"}


def _columns() -> Iterator[Column[object]]:
    for table in Base.metadata.tables.values():
        yield from table.columns


def _attributes(module: Module) -> Iterator[tuple[str, str]]:
    """Every ``owner.name``, and every ``from owner import name``."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)

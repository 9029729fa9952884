"""The product's source as syntax trees, for tests that walk the whole of it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import config


@dataclass(frozen=True)
class Module:
    """One file: its dotted name (``app.core`` for a package's ``__init__``) and its tree."""

    name: str
    path: Path
    tree: ast.Module

    def imported(self, known: frozenset[str]) -> Iterator[str]:
        """Each of our modules that this one imports, wherever in the file it does."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                assert node.level == 0, f"{self.name}: imports are absolute"
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield inner if inner in known else node.module


def modules() -> list[Module]:
    files = [
        config.ROOT / "config.py",
        config.ROOT / "wsgi.py",
        *(config.ROOT / "app").rglob("*.py"),
    ]
    return [_read(path) for path in sorted(files)]


def _read(path: Path) -> Module:
    parts = path.relative_to(config.ROOT).with_suffix("").parts
    name = ".".join(part for part in parts if part != "__init__")
    return Module(name, path, ast.parse(path.read_text()))

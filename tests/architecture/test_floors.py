"""Imports only point down; domains only leftwards; the gateway knows no web framework."""

import ast
from collections.abc import Mapping

from tests.architecture.source import Module, modules

MODULES = modules()
NAMES = frozenset(module.name for module in MODULES)

DOMAINS = (
    "settings", "audit", "alerts", "mail", "accounts", "catalog", "channels", "billing", "usage",
    "partners", "payments", "content",
)  # fmt: skip

_HOUSE = {"config", "core", "domain", "services", "extensions", "callers"}

# What each part of the house may import beside itself. `gateway` here means its `__init__`.
FLOORS: Mapping[str, set[str]] = {
    "config": set(),
    "core": set(),
    "sandbox": {"core"},
    "domain": {"core"},
    "extensions": set(),
    "callers": {"core"},
    "gateway": {"core", "domain"},
    "services": {"core", "domain", "gateway"},
    "api": _HOUSE | {"gateway"},
    "web": _HOUSE | {"gateway"},
    "cli": _HOUSE | {"gateway"},
    "edge": _HOUSE | {"gateway", "api", "web"},
    "policy": {"core", "edge"},
    "app": _HOUSE | {"gateway", "api", "web", "cli", "edge", "policy"},
    "serving": _HOUSE | {"gateway", "api", "web", "cli", "edge", "app", "sandbox", "wsgi"},
    "wsgi": {"app", "serving"},
}
TOP_FLOOR = {"api", "web", "cli"}


def test_every_part_of_the_house_has_its_floor() -> None:
    assert {_part(name) for name in NAMES} == set(FLOORS)


def test_imports_only_point_down() -> None:
    wrong = [
        f"{module.name} imports {name}"
        for module in MODULES
        for name in module.imported(NAMES)
        if name in NAMES and not _may(_part(module.name), _part(name))
    ]
    assert wrong == []


def test_domains_import_only_leftwards() -> None:
    rank = {name: place for place, name in enumerate(DOMAINS)}
    wrong = [
        f"{module.name} imports {name}"
        for module in MODULES
        if (own := _domain(module.name)) is not None
        for name in module.imported(NAMES)
        if (other := _domain(name)) is not None and rank[other] > rank[own]
    ]
    assert wrong == []


def test_neighbours_enter_the_gateway_by_its_door() -> None:
    wrong = [
        f"{module.name} imports {name}"
        for module in MODULES
        if _part(module.name) in TOP_FLOOR
        for name in module.imported(NAMES)
        if name.startswith("app.gateway.")
    ]
    assert wrong == []


def test_gateway_is_written_without_a_web_framework() -> None:
    wrong = [
        f"{module.name} imports {name}"
        for module in MODULES
        if _part(module.name) == "gateway"
        and module.name not in ("app.gateway", "app.gateway.lane")
        for name in module.imported(NAMES)
        if name.partition(".")[0] in ("flask", "werkzeug") or name.startswith("flask_")
    ]
    assert wrong == []


def test_rules_do_not_see_the_request() -> None:
    wrong = [
        module.name
        for module in MODULES
        if _part(module.name) == "domain"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom)
        and node.module == "flask"
        and {alias.name for alias in node.names} & {"request", "session", "g"}
    ]
    assert wrong == []


def test_sandbox_and_product_share_the_core_alone() -> None:
    users = {
        _part(module.name)
        for module in MODULES
        for name in module.imported(NAMES)
        if name in NAMES and _part(name) == "sandbox" and _part(module.name) != "sandbox"
    }
    assert users <= {"serving"}


def test_domains_are_those_that_are_ranked() -> None:
    packages = {
        module.name.split(".")[2]
        for module in MODULES
        if module.name.startswith("app.domain.") and module.path.name == "__init__.py"
    }
    assert packages <= set(DOMAINS)


def test_module_reader_sees_imports() -> None:
    """The other tests would pass on an empty house."""
    tree = ast.parse("from app import api\nfrom app.core.ids import mint\nimport flask")
    module = Module("x", MODULES[0].path, tree)
    seen = set(module.imported(frozenset({"app", "app.api"})))
    assert seen == {"app.api", "app.core.ids", "flask"}
    assert len(MODULES) > 100


def _part(name: str) -> str:
    """``app.web.account.keys`` → ``web``; ``app`` and files beside it stand for themselves."""
    parts = name.split(".")
    return parts[1] if parts[0] == "app" and len(parts) > 1 else parts[0]


def _may(part: str, other: str) -> bool:
    return other == part or other in FLOORS[part]


def _domain(name: str) -> str | None:
    parts = name.split(".")
    is_domain = len(parts) > 2 and parts[:2] == ["app", "domain"]
    return parts[2] if is_domain and parts[2] in DOMAINS else None

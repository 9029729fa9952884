"""Which of a provider's models we sell."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.catalog.kinds import SERVED_KINDS
from app.domain.catalog.models import Model


def sold_models_among(session: Session, listed: Iterable[str]) -> dict[str, str]:
    """Published models of a kind we serve that the provider lists: our name to its name."""
    sold = session.execute(
        select(Model.name, Model.provider)
        .where(Model.is_published, Model.kind.in_(SERVED_KINDS))
        .order_by(Model.name)
    )
    return matches([(row.name, row.provider) for row in sold], set(listed))


def matches(sold: Iterable[tuple[str, str]], listed: set[str]) -> dict[str, str]:
    """Each sold (name, maker) under its very name, or as makers' models are listed by those who
    resell them: ``maker/name``. Nothing is guessed: a like name may be another model."""
    found: dict[str, str] = {}
    for name, maker in sold:
        for candidate in (name, f"{maker}/{name}"):
            if candidate in listed:
                found[name] = candidate
                break
    return found


def sold_names(serving: Mapping[str, str]) -> dict[str, list[str]]:
    """Turned round: the provider's name to ours; several of ours may be bought as one."""
    found: dict[str, list[str]] = {}
    for sold, upstream in serving.items():
        found.setdefault(upstream, []).append(sold)
    return found

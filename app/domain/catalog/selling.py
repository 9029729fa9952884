"""What is sold: add a model, publish it, set its price. Rules; the edge commits."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock
from app.domain.audit import AuditAction, record
from app.domain.catalog.errors import (
    InvalidReplacement,
    KindNotServed,
    ModelExists,
    ModelUnknown,
    NotPriced,
)
from app.domain.catalog.kinds import SERVED_KINDS, is_priced
from app.domain.catalog.models import Model, PriceVersion
from app.domain.catalog.new_model import NewModel
from app.domain.catalog.pricing import PriceSheet
from app.domain.catalog.starting import starting_models
from app.domain.settings.revisions import bump

REVISION = "offers"

FACTS = (
    "abilities",
    "max_input_tokens",
    "max_output_tokens",
    "max_tokens_per_input_image",
    "max_tokens_per_output_image",
    "embedding_size",
    "retires_on",
)
"""The columns that a price list may correct."""


def add_model(
    session: Session, new: NewModel, *, is_published: bool, author: str, reason: str
) -> Model:
    """Add a model with its first price, in force at once. Raises `ModelExists`, `NotPriced`."""
    if session.scalar(select(Model.id).where(Model.name == new.name)) is not None:
        raise ModelExists(field="name")
    model = Model(
        name=new.name,
        provider=new.provider,
        kind=new.kind,
        abilities=sorted(new.abilities),
        max_input_tokens=new.max_input_tokens,
        max_output_tokens=new.max_output_tokens,
        max_tokens_per_input_image=new.max_tokens_per_input_image,
        max_tokens_per_output_image=new.max_tokens_per_output_image,
        embedding_size=new.embedding_size,
        is_published=is_published,
        allows_trial=True,
        retires_on=new.retires_on,
        created_at=clock.now(),
    )
    session.add(model)
    session.flush()
    set_price(
        session,
        model=model,
        sheet=new.sheet,
        effective_at=clock.now(),
        author=author,
        reason=reason,
    )
    return model


def set_price(
    session: Session,
    *,
    model: Model,
    sheet: PriceSheet,
    effective_at: datetime,
    author: str,
    reason: str,
) -> PriceVersion:
    """Write a new price version; earlier ones stay. Raises `NotPriced`."""
    if not is_priced(model.kind, sheet):
        raise NotPriced(f"A {model.kind} model needs the prices it is billed in.", field="prices")
    version = PriceVersion(
        model_id=model.id,
        effective_at=effective_at,
        sheet=sheet.to_json(),
        author=author,
        reason=reason,
        created_at=clock.now(),
    )
    session.add(version)
    session.flush()
    bump(session, REVISION)
    return version


def find_model(session: Session, name: str) -> Model:
    """Raises `ModelUnknown`."""
    model = session.scalar(select(Model).where(Model.name == name))
    if model is None:
        raise ModelUnknown(f"There is no model {name!r}. `flask catalog list` shows all.")
    return model


def set_published(session: Session, *, model: Model, is_published: bool, author: str) -> bool:
    """Put a model on sale or take it off; False where nothing changes. Raises `KindNotServed`."""
    if is_published and model.kind not in SERVED_KINDS:
        raise KindNotServed(f"{model.name} is of kind {model.kind}, which is not served yet.")
    return _change(session, model, author=author, is_published=is_published)


def set_allows_trial(session: Session, *, model: Model, allows_trial: bool, author: str) -> bool:
    """Whether trial keys may call the model; False where nothing changes."""
    return _change(session, model, author=author, allows_trial=allows_trial)


def set_retirement(
    session: Session, *, model: Model, on: date | None, replacement: Model | None, author: str
) -> bool:
    """Say from which day (UTC) a model is no longer sold, None for never, and what to call then.

    False where nothing changes. Raises `InvalidReplacement`.
    """
    if replacement is not None and (on is None or replacement.id == model.id):
        raise InvalidReplacement(field="replacement")
    return _change(
        session,
        model,
        author=author,
        retires_on=on,
        replacement_id=None if replacement is None else replacement.id,
    )


def set_facts(session: Session, *, model: Model, facts: Mapping[str, Any], author: str) -> bool:
    """Correct what is known of a model, by column names; False where nothing changes."""
    assert facts.keys() <= set(FACTS), "only what a price list may know"
    return _change(session, model, author=author, **facts)


def _change(session: Session, model: Model, *, author: str, **columns: Any) -> bool:
    """Set what differs, with a line in the audit trail."""
    old = {name: getattr(model, name) for name in columns}
    new = {name: value for name, value in columns.items() if old[name] != value}
    if not new:
        return False
    for name, value in new.items():
        setattr(model, name, value)
    changes = {name: [_plain(old[name]), _plain(value)] for name, value in new.items()}
    record(
        session,
        actor=author,
        action=AuditAction.MODEL_CHANGED,
        details={"model": model.name, "changes": changes},
    )
    bump(session, REVISION)
    return True


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def price_in_force(session: Session, model: Model) -> PriceVersion | None:
    """The version in force now: the latest effective one; of two at one moment, the later made."""
    return session.scalar(
        select(PriceVersion)
        .where(PriceVersion.model_id == model.id, PriceVersion.effective_at <= clock.now())
        .order_by(PriceVersion.effective_at.desc(), PriceVersion.id.desc())
        .limit(1)
    )


def import_starting_models(session: Session, *, author: str) -> int:
    """Add what of the starting catalogue is missing; returns how many were added.

    Kinds that are not served yet come unpublished; those past their date are retired by it.
    """
    known = set(session.scalars(select(Model.name)))
    missing = [new for new in starting_models() if new.name not in known]
    for new in missing:
        add_model(
            session,
            new,
            is_published=new.kind in SERVED_KINDS and is_priced(new.kind, new.sheet),
            author=author,
            reason="starting catalogue: public list prices of October 2026",
        )
    return len(missing)

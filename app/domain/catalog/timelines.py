"""A model's prices over time: what held, what holds, and what is announced."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.catalog.models import Model, PriceVersion
from app.domain.catalog.pricing import PriceSheet


@dataclass(frozen=True, slots=True)
class PricePoint:
    """One price version."""

    version_id: int
    effective_at: datetime
    sheet: PriceSheet
    author: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Timeline:
    """The versions of one model in the order in which they come into force; of two at one moment
    the later made comes last, and wins."""

    points: tuple[PricePoint, ...] = ()

    def in_force(self, at: datetime) -> PricePoint | None:
        """The version that holds at a moment; None before the first."""
        past = [point for point in self.points if point.effective_at <= at]
        return past[-1] if past else None

    def coming(self, at: datetime) -> tuple[PricePoint, ...]:
        """The winners at each moment after `at`, those included that change nothing any more."""
        later = {point.effective_at: point for point in self.points if point.effective_at > at}
        return tuple(later[moment] for moment in sorted(later))

    def changes(self, at: datetime) -> tuple[PricePoint, ...]:
        """Of the coming ones those that change the price: what is announced at `at`."""
        present = self.in_force(at)
        sheet, found = None if present is None else present.sheet, []
        for point in self.coming(at):
            if point.sheet != sheet:
                found.append(point)
                sheet = point.sheet
        return tuple(found)

    def to_write(
        self, sheet: PriceSheet, *, effective_at: datetime, now: datetime
    ) -> tuple[tuple[datetime, PriceSheet], ...]:
        """The versions to add, so that the present price holds until `effective_at` (≥ now) and
        `sheet` from then on, whatever was announced; none where that is decided already, for
        then or sooner.
        """
        present, changes = self.in_force(now), self.changes(now)
        before = None if present is None else present.sheet
        if before == sheet and not changes:
            return ()
        if [point.sheet for point in changes] == [sheet] and (
            changes[0].effective_at <= effective_at
        ):
            return ()
        versions = [] if before == sheet else [(effective_at, sheet)]
        for point in self.coming(now):
            held = sheet if point.effective_at >= effective_at else before
            is_written = versions and point.effective_at == effective_at
            if held is not None and point.sheet != held and not is_written:
                versions.append((point.effective_at, held))
        return tuple(versions)


NO_PRICES = Timeline()


def timelines(session: Session, *, model_ids: Collection[int] | None = None) -> dict[int, Timeline]:
    """The prices of these models, or of all, by model id; a model without any is left out."""
    versions = select(PriceVersion).order_by(PriceVersion.effective_at, PriceVersion.id)
    if model_ids is not None:
        versions = versions.where(PriceVersion.model_id.in_(model_ids))
    found: dict[int, list[PricePoint]] = {}
    for version in session.scalars(versions):
        found.setdefault(version.model_id, []).append(_point(version))
    return {model_id: Timeline(tuple(points)) for model_id, points in found.items()}


def timeline_of(session: Session, model: Model) -> Timeline:
    """The prices of one model."""
    return timelines(session, model_ids=[model.id]).get(model.id, NO_PRICES)


def coming_price(session: Session, model: Model, now: datetime) -> PricePoint | None:
    """The next announced change of the price after `now`, such as a rise; None without one."""
    changes = timeline_of(session, model).changes(now)
    return changes[0] if changes else None


def _point(version: PriceVersion) -> PricePoint:
    return PricePoint(
        version_id=version.id,
        effective_at=version.effective_at,
        sheet=PriceSheet.from_json(version.sheet),
        author=version.author,
        reason=version.reason,
        created_at=version.created_at,
    )

"""The business settings of this process, for whoever must not ask the database at every call."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from app.core import clock
from app.domain.settings.models import BusinessSetting
from app.domain.settings.polled import Polled
from app.domain.settings.view import SettingsView, in_force


@dataclass(frozen=True, slots=True)
class _Loaded:
    version: tuple[int, int]
    view: SettingsView


class SettingsReader:
    """`current()` is at most a second behind the database and holds no session or connection."""

    def __init__(self, engine: Engine, *, now: Callable[[], float] = clock.monotonic) -> None:
        self._engine = engine
        self._polled: Polled[_Loaded] = Polled(self._load, now=now)

    def current(self) -> SettingsView:
        return self._polled.value().view

    def _load(self, previous: _Loaded | None) -> _Loaded:
        # The count as well: ids of two transactions may become visible in the other order.
        newest = select(func.coalesce(func.max(BusinessSetting.id), 0), func.count())
        with self._engine.connect() as connection:
            last_id, count = connection.execute(newest.select_from(BusinessSetting)).one()
            version = (last_id, count)
            if previous is not None and previous.version == version:
                return previous
            return _Loaded(version, in_force(connection))

"""The values in force at one moment, as code reads them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session

from app.domain.settings.catalogue import BY_NAME, SETTINGS
from app.domain.settings.models import BusinessSetting


@dataclass(frozen=True, slots=True, eq=False)
class SettingsView(Mapping[str, Any]):
    """Frozen values by name: money as nano-USD, rates and shares as Decimal, counts as int.

    A name that the catalogue lacks is a KeyError: it is a mistake of ours, not of a caller.
    """

    _values: Mapping[str, Any]
    _set_at: Mapping[str, datetime]

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def set_at(self, name: str) -> datetime | None:
        """When the value was set; None while the default is in force."""
        assert name in self._values, name
        return self._set_at.get(name)


@dataclass(frozen=True, slots=True)
class StoredValue:
    """The newest row of one setting: its JSON data and when it was set."""

    value: Any
    set_at: datetime


def stored_values(connection: Session | Connection) -> dict[str, StoredValue]:
    """The newest stored value of each setting that was ever set."""
    newest = select(func.max(BusinessSetting.id)).group_by(BusinessSetting.name)
    rows = connection.execute(
        select(BusinessSetting.name, BusinessSetting.value, BusinessSetting.created_at).where(
            BusinessSetting.id.in_(newest)
        )
    )
    # A row whose setting a later version of the product dropped stays in the table, unread.
    return {
        name: StoredValue(json.loads(value), set_at)
        for name, value, set_at in rows.all()
        if name in BY_NAME
    }


def in_force(connection: Session | Connection) -> SettingsView:
    """Read the newest value of every setting, defaults where none was set."""
    stored = stored_values(connection)
    values = {name: BY_NAME[name].value(row.value) for name, row in stored.items()}
    return SettingsView(
        MappingProxyType({**_DEFAULTS, **values}),
        MappingProxyType({name: row.set_at for name, row in stored.items()}),
    )


_DEFAULTS = {spec.name: spec.value(spec.read(spec.default)) for spec in SETTINGS}

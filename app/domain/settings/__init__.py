"""Business settings: rows in force within a second."""

from app.domain.settings.changes import history, set_value
from app.domain.settings.reader import SettingsReader
from app.domain.settings.revisions import RevisionWatch, bump
from app.domain.settings.view import SettingsView, in_force, stored_values

__all__ = [
    "RevisionWatch",
    "SettingsReader",
    "SettingsView",
    "bump",
    "history",
    "in_force",
    "set_value",
    "stored_values",
]

"""The blueprint of entry and of a user's own pages; `__init__` imports its views."""

from flask import Blueprint

bp = Blueprint("account", __name__)

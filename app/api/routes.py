"""Every address under ``/api`` and its view."""

from flask import Blueprint

from app.api.envelope import error_response
from app.api.keys import narrow_current_key, show_current_key
from app.api.queries import balance
from app.api.quote import quote
from app.api.register import register
from app.api.usage import list_usage, show_usage
from app.core.errors import AppError
from app.extensions import csrf

bp = Blueprint("api", __name__, url_prefix="/api")
bp.add_url_rule("/auth/register", view_func=register, methods=["POST"])
bp.add_url_rule("/user/balance", view_func=balance, methods=["GET"])
bp.add_url_rule("/user/keys/current", view_func=show_current_key, methods=["GET"])
bp.add_url_rule("/user/keys/current", view_func=narrow_current_key, methods=["PATCH"])
bp.add_url_rule("/usage", view_func=list_usage, methods=["GET"])
bp.add_url_rule("/usage/<public_id>", view_func=show_usage, methods=["GET"])
bp.add_url_rule("/quote", view_func=quote, methods=["POST"])
bp.register_error_handler(AppError, error_response)

# No view here reads a cookie, so there is no session that another site could ride on.
csrf.exempt(bp)

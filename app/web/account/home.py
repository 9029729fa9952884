"""``/account``: where a signed-in user starts."""

from flask import redirect, url_for
from werkzeug.wrappers import Response

from app.web.account.blueprint import bp


@bp.get("/account")
def home() -> Response:
    return redirect(url_for("account.list_keys"), 302)

"""Signing in and out: Flask-Security, told what this product wants of it."""

from datetime import timedelta
from typing import Any

from flask import Flask, current_app, g, session
from flask_security import LoginForm, SQLAlchemyUserDatastore, login_user
from flask_security.utils import validate_redirect_url
from sqlalchemy import select
from wtforms import EmailField, Field, PasswordField
from wtforms.validators import DataRequired, Length

from app.core import clock
from app.core.database import db
from app.domain.accounts.emails import normalise_email
from app.domain.accounts.errors import InvalidEmail
from app.domain.accounts.models import Role, User, WebAuthn
from app.extensions import csrf, security
from app.web.account import sign_in_limits
from app.web.account.passwords import LENGTH_MAX, hashing_place

_EMAIL_LENGTH_MAX = 254


class SignInForm(LoginForm):
    """Email and password. Whatever is wrong, the page says one and the same thing."""

    email = EmailField(validators=[DataRequired(), Length(max=_EMAIL_LENGTH_MAX)])
    password = PasswordField(validators=[DataRequired(), Length(max=LENGTH_MAX)])
    remember = None

    def validate_next(self, field: Field) -> None:
        """A wish to go elsewhere afterwards is passed over: it is no reason to refuse the owner."""
        if not validate_redirect_url(field.data):
            field.data = ""

    def validate(self, **arguments: Any) -> bool:
        """Raises TooManyRequests, and Unavailable while too many passwords are being checked."""
        email = _kept_form(self.email.data or "")
        sign_in_limits.count_try(email)
        self.ifield = self.email
        with hashing_place():
            self.user = db.session.scalar(select(User).where(User.email == email))
            if not super().validate(**arguments):
                return False
        forget_session()
        sign_in_limits.remember_device(email)
        return True


def bind_security(app: Flask) -> None:
    """Bind CSRF protection and Flask-Security. Their own hooks on JSON surfaces are taken away."""
    app.config.from_mapping(_SETTINGS)
    csrf.init_app(app)
    security.init_app(app, SQLAlchemyUserDatastore(db, User, Role, WebAuthn), login_form=SignInForm)
    security.want_json(lambda request: False)
    # It would read the session, and the JSON body, of every request: of /v1 too.
    app.before_request_funcs[None].remove(security.principal._on_before_request)
    app.login_manager.request_loader(lambda request: None)  # type: ignore[attr-defined]


def start_session(user: User, *, authenticated_by: str) -> None:
    """Sign the user in on this browser, in a session that holds nothing from before."""
    forget_session()
    login_user(user, remember=False, authn_via=[authenticated_by])
    sign_in_limits.remember_device(user.email)


def forget_session() -> None:
    """Drop what the session holds, its CSRF token too: none may outlive a change of who it is."""
    session.clear()
    g.pop(current_app.config["WTF_CSRF_FIELD_NAME"], None)


def _kept_form(email: str) -> str:
    """As accounts keep it; one that is none is looked for all the same, in vain."""
    try:
        return normalise_email(email)
    except InvalidEmail:
        return email.strip().lower()[:_EMAIL_LENGTH_MAX]


_SETTINGS: dict[str, Any] = {
    # The token lives as long as its session. A page that sends no Referer (the claim page) must
    # still be able to post; the cookie's prefix keeps planted sessions out instead.
    "WTF_CSRF_TIME_LIMIT": None,
    "WTF_CSRF_SSL_STRICT": False,
    "SECURITY_STATIC_FOLDER": None,
    "SECURITY_CACHE_CONTROL": None,
    "SECURITY_LOGIN_USER_TEMPLATE": "account/sign_in.html",
    "SECURITY_POST_LOGIN_VIEW": "/account/keys",
    "SECURITY_POST_LOGOUT_VIEW": "/login",
    "SECURITY_LOGOUT_METHODS": ["POST"],
    "SECURITY_LOGOUT_CSRF": True,
    "SECURITY_API_ENABLED_METHODS": ["session"],
    "SECURITY_RETURN_GENERIC_RESPONSES": True,
    # Below zero: no page that asks for the password again.
    "SECURITY_FRESHNESS": timedelta(minutes=-1),
    # Accounts keep emails in one form, so the index finds them as they are.
    "SECURITY_USER_IDENTITY_ATTRIBUTES": [
        {"email": {"mapper": _kept_form, "case_insensitive": False}}
    ],
    "SECURITY_EMAIL_VALIDATOR_ARGS": {"check_deliverability": False},
    "SECURITY_JOIN_USER_ROLES": False,
    "SECURITY_PASSWORD_HASH": "argon2",
    "SECURITY_PASSWORD_SCHEMES": ["argon2"],
    "SECURITY_PASSWORD_SINGLE_HASH": {"argon2"},
    "SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS": {
        "argon2__memory_cost": 19 * 1024,
        "argon2__time_cost": 2,
        "argon2__parallelism": 1,
    },
    "SECURITY_DATETIME_FACTORY": clock.now,
    "SECURITY_CLI_USERS_NAME": None,
    "SECURITY_CLI_ROLES_NAME": None,
}

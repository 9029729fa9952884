"""Who is signed in."""

from typing import cast

from flask_login import current_user

from app.domain.accounts.models import User


def signed_in_user() -> User:
    """The user of this session; only for routes that the policy gives to signed-in users."""
    return cast(User, current_user._get_current_object())

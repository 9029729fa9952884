"""Imports every domain's models, so that the metadata is complete for mappers and migrations."""

from app.core import rate_windows
from app.domain.accounts import models as accounts
from app.domain.alerts import models as alerts
from app.domain.audit import models as audit
from app.domain.billing import models as billing
from app.domain.catalog import models as catalog
from app.domain.channels import models as channels
from app.domain.mail import models as mail
from app.domain.partners import models as partners
from app.domain.payments import models as payments
from app.domain.settings import models as settings

__all__ = [
    "accounts",
    "alerts",
    "audit",
    "billing",
    "catalog",
    "channels",
    "mail",
    "partners",
    "payments",
    "rate_windows",
    "settings",
]

"""Every business setting once: name, kind, default, help. Their values are rows of the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from app.domain.settings.errors import InvalidSetting, UnknownSetting
from app.domain.settings.kinds import (
    COUNT,
    DISPLAY_CURRENCIES,
    DOMAINS,
    EMAIL,
    FLAG,
    HTTPS_URL,
    LINE,
    MARKUP,
    MARKUPS,
    NOTICE_DAYS,
    SHARE,
    USD,
    SettingKind,
    choice_of,
    rate_between,
)
from app.domain.settings.mail_providers import PUBLIC_MAIL_DOMAINS


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """One setting; `default` is written as a person would type it."""

    name: str
    kind: SettingKind
    default: str
    help: str

    def read(self, text: str) -> Any:
        """What was typed, as the JSON data to store. Raises InvalidSetting."""
        try:
            return self.kind.read(text.strip())
        except ValueError as error:
            raise InvalidSetting(
                f"{self.name}: {text!r} does not fit ({error}). Write {self.kind.wanted}.",
                field=self.name,
            ) from None

    def value(self, stored: Any) -> Any:
        """The value that code works with, from the JSON data that is stored."""
        return self.kind.value(stored)


SETTINGS: tuple[SettingSpec, ...] = (
    # Who may come in, and the trial money that is handed out.
    SettingSpec("sign_up", FLAG, "true", "whether visitors may open an account themselves"),
    SettingSpec(
        "register_mode",
        choice_of("open", "signed", "off"),
        "open",
        "which calls of the register endpoint are accepted",
    ),
    SettingSpec("blocked_email_domains", DOMAINS, "", "domains that get no account"),
    SettingSpec("trial_amount_usd", USD, "0.2", "trial credit of one mailbox, once for ever"),
    SettingSpec("trial_days", COUNT, "30", "days after which unspent trial credit returns"),
    SettingSpec(
        "trial_budget_partner_usd", USD, "200", "trial money a day of one partner's vouched calls"
    ),
    SettingSpec("trial_budget_open_usd", USD, "20", "trial money a day of all other calls"),
    SettingSpec(
        "trial_network_share", SHARE, "0.2", "share of the open budget that one network may take"
    ),
    SettingSpec(
        "trial_domain_grants",
        COUNT,
        "3",
        "grants a day from the open budget to one domain that is no public mail provider",
    ),
    SettingSpec(
        "public_mail_domains",
        DOMAINS,
        ",".join(PUBLIC_MAIL_DOMAINS),
        "domains of public mail providers, which trial_domain_grants leaves out",
    ),
    # Keys made by partners.
    SettingSpec(
        "max_trial_keys_per_inviter", COUNT, "5", "trial keys of one inviter on one account"
    ),
    SettingSpec(
        "max_pending_keys_per_inviter", COUNT, "3", "keys of one inviter waiting on one account"
    ),
    SettingSpec("pending_key_days", COUNT, "7", "days after which a waiting key is gone"),
    SettingSpec("approval_cap_usd", USD, "5", "spend cap a month proposed when a key is approved"),
    # Floods.
    SettingSpec("register_per_minute_email", COUNT, "120", "register calls a minute for one email"),
    SettingSpec("register_per_minute_ip", COUNT, "120", "register calls a minute from one IP"),
    SettingSpec(
        "register_per_minute_network", COUNT, "600", "register calls a minute from one network"
    ),
    SettingSpec(
        "register_per_minute_vouched_inviter",
        COUNT,
        "1200",
        "vouched register calls a minute of one inviter",
    ),
    SettingSpec("claim_mails_per_inviter", COUNT, "200", "claim mails a day caused by one inviter"),
    SettingSpec(
        "claim_mails_per_vouched_inviter",
        COUNT,
        "2000",
        "claim mails a day caused by one inviter's vouched calls",
    ),
    SettingSpec("claim_mails_per_network", COUNT, "50", "claim mails a day caused by one network"),
    # Prices and currencies.
    SettingSpec(
        "default_markup", MARKUP, "0.2", "mark-up on cost where model and provider name none"
    ),
    SettingSpec("provider_markups", MARKUPS, "", "mark-up on cost of each provider's models"),
    SettingSpec("model_markups", MARKUPS, "", "mark-up on cost of single models"),
    SettingSpec("price_notice_days", NOTICE_DAYS, "7", "days that a price rise is announced ahead"),
    SettingSpec("rate_cny", rate_between(1, 100, example="7.2"), "7.2", "yuan for one dollar"),
    SettingSpec(
        "rate_vnd", rate_between(5_000, 500_000, example="26300"), "26300", "đồng for one dollar"
    ),
    SettingSpec(
        "display_currencies",
        DISPLAY_CURRENCIES,
        "vi-VN=VND,USD,CNY en-US=USD,VND,CNY",
        "currencies offered to readers of each language, the first one shown",
    ),
    # Who runs the site.
    SettingSpec("site_name", LINE, "58AI", "name of the site on pages and in mails"),
    SettingSpec("site_notice", LINE, "", "one line above every page"),
    SettingSpec("contact_email", EMAIL, "", "where readers reach the operator"),
    SettingSpec("legal_name", LINE, "", "the company, in the footer and on statements"),
    SettingSpec("legal_tax_code", LINE, "", "its tax code"),
    SettingSpec("legal_address", LINE, "", "where it is seated"),
    SettingSpec(
        "legal_notification_url", HTTPS_URL, "", "its entry in the register of online businesses"
    ),
    SettingSpec("bank_name", LINE, "", "bank that receives transfers"),
    SettingSpec("bank_bin", LINE, "", "the bank's six digits for VietQR"),
    SettingSpec("bank_account_number", LINE, "", "account that receives transfers"),
    SettingSpec("bank_account_holder", LINE, "", "its holder, as the bank writes the name"),
)

BY_NAME: Mapping[str, SettingSpec] = MappingProxyType({spec.name: spec for spec in SETTINGS})


def spec_of(name: str) -> SettingSpec:
    """The setting of that name. Raises UnknownSetting."""
    spec = BY_NAME.get(name)
    if spec is None:
        raise UnknownSetting(field=name)
    return spec

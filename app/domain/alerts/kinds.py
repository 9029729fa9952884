"""The causes of an alert: what the operator reads, and what to do about each."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.core.i18n import N_


class AlertKind(StrEnum):
    """One cause. Its subject says which channel, model, user or day is meant."""

    CHANNEL_DEAD = "channel_dead"
    BREAKER_OPEN = "breaker_open"
    MODEL_WITHOUT_CHANNEL = "model_without_channel"
    MODEL_UNKNOWN_TO_PROVIDER = "model_unknown_to_provider"
    SALE_BELOW_COST = "sale_below_cost"
    WRITE_OFF = "write_off"
    IMPLAUSIBLE_USAGE = "implausible_usage"
    UNMATCHED_PAYMENT = "unmatched_payment"
    LEDGER_DRIFT = "ledger_drift"
    TRIAL_BUDGET_SPENT = "trial_budget_spent"
    BACKUP_OLD = "backup_old"


@dataclass(frozen=True, slots=True)
class AlertRow:
    """Texts in the source language; pages and mails pass them through `gettext`."""

    kind: AlertKind
    title: str
    advice: str


_ROWS = (
    AlertRow(
        AlertKind.CHANNEL_DEAD,
        N_("A channel is dead and was disabled"),
        N_("Check the provider account, then enable the channel again."),
    ),
    AlertRow(
        AlertKind.BREAKER_OPEN,
        N_("A channel has been failing for five minutes"),
        N_("Calls go to the other channels; see whether the provider reports an outage."),
    ),
    AlertRow(
        AlertKind.MODEL_WITHOUT_CHANNEL,
        N_("A model on sale has no healthy channel"),
        N_("Add or repair a channel, or take the model off sale."),
    ),
    AlertRow(
        AlertKind.MODEL_UNKNOWN_TO_PROVIDER,
        N_("A provider does not know a model that is bought from it"),
        N_("Correct the model's name on the channel, or its base URL, or take the model off it."),
    ),
    AlertRow(
        AlertKind.SALE_BELOW_COST,
        N_("A call was sold below its cost"),
        N_("Compare the model's price with the cost of its channels."),
    ),
    AlertRow(
        AlertKind.WRITE_OFF,
        N_("A call cost more than was held for it"),
        N_("The difference was written off; look at the call and at the model's output limit."),
    ),
    AlertRow(
        AlertKind.IMPLAUSIBLE_USAGE,
        N_("A provider reported usage that cannot be true"),
        N_("The user was charged by our own count; compare it with the provider's invoice."),
    ),
    AlertRow(
        AlertKind.UNMATCHED_PAYMENT,
        N_("A payment matches no top-up"),
        N_("Find out who paid, then credit it or send it back."),
    ),
    AlertRow(
        AlertKind.LEDGER_DRIFT,
        N_("The books do not add up"),
        N_("Correct nothing by hand before you know the cause: run the ledger check first."),
    ),
    AlertRow(
        AlertKind.TRIAL_BUDGET_SPENT,
        N_("The trial money of the day is used up"),
        N_("New accounts start with a balance of 0; raise the budget if they are welcome."),
    ),
    AlertRow(
        AlertKind.BACKUP_OLD,
        N_("The last backup is too old"),
        N_("Make a backup, and see why the regular one did not run."),
    ),
)

ALERTS: Mapping[AlertKind, AlertRow] = MappingProxyType({row.kind: row for row in _ROWS})

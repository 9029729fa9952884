"""The proofs of `verify` in SQL: each selects where the books drift, and nothing where they hold.

Plain text, the same on SQLite and PostgreSQL, so that an operator can run a proof by hand. Each is
set-based: a pass over a table or a join by primary key, whatever the number of calls.
"""

from dataclasses import dataclass

from app.domain.billing.models import OPERATOR_ACCOUNTS, AccountKind, TransferKind

_REVENUE = OPERATOR_ACCOUNTS[AccountKind.REVENUE]
_VOUCHERS = OPERATOR_ACCOUNTS[AccountKind.VOUCHERS]
_OPERATOR_ACCOUNTS = " UNION ALL ".join(
    f"SELECT {account_id} AS id, '{kind.value}' AS kind"
    for kind, account_id in OPERATOR_ACCOUNTS.items()
)

_TRIAL, _PAID = "t.user_id * 2", "t.user_id * 2 + 1"
_EITHER = f"{_TRIAL}, {_PAID}"
_CREDITS = OPERATOR_ACCOUNTS[AccountKind.OPERATOR_CREDITS]
_GRANTS = OPERATOR_ACCOUNTS[AccountKind.TRIAL_GRANTS]
PATHS = (
    (TransferKind.USAGE, "t.user_id * 2 + t.id % 2", _REVENUE),
    (TransferKind.WRITE_OFF, OPERATOR_ACCOUNTS[AccountKind.WRITE_OFFS], _REVENUE),
    (TransferKind.TRIAL_GRANT, _GRANTS, _TRIAL),
    (TransferKind.TRIAL_RETURN, _TRIAL, _GRANTS),
    (TransferKind.OPERATOR_CREDIT, _CREDITS, _EITHER),
    (TransferKind.OPERATOR_DEBIT, _EITHER, _CREDITS),
    (TransferKind.REFUND, _REVENUE, _EITHER),
    (TransferKind.CLOSING, _EITHER, OPERATOR_ACCOUNTS[AccountKind.CLOSED_ACCOUNTS]),
    (TransferKind.VOUCHER, _VOUCHERS, _PAID),
)
"""From which accounts each kind of transfer `t` may take, and to which it may give."""

_IS_ON_ITS_PATH = " ".join(
    f"WHEN '{kind.value}' THEN t.debit_account_id IN ({takes_from})"
    f" AND t.credit_account_id IN ({gives_to})"
    for kind, takes_from, gives_to in PATHS
)


@dataclass(frozen=True, slots=True)
class Query:
    """One proof. `drifts` selects (subject, expected, found), at most one row a `noun`; `counted`
    names the rows that were looked at. Parameters are named as in `verify`."""

    check: str
    title: str
    noun: str
    counted: str
    drifts: str


QUERIES = (
    Query(
        check="entries",
        title="entries of all ledger accounts sum to 0",
        noun="entries of",
        counted="transfers",
        drifts="""
            SELECT 'all ledger accounts' AS subject, 0 AS expected, SUM(amount) AS found
            FROM (
                SELECT credit_account_id AS account_id, amount_nanos AS amount FROM transfers
                UNION ALL
                SELECT debit_account_id, -amount_nanos FROM transfers
            ) AS entries
            JOIN ledger_accounts ON ledger_accounts.id = entries.account_id
            HAVING SUM(amount) <> 0""",
    ),
    Query(
        check="transfers",
        title="transfers name two ledger accounts, and their user's",
        noun="transfer",
        counted="transfers",
        drifts="""
            SELECT t.id AS subject, 'two ledger accounts' AS expected, 'others' AS found
            FROM transfers t
            LEFT JOIN ledger_accounts d ON d.id = t.debit_account_id
            LEFT JOIN ledger_accounts c ON c.id = t.credit_account_id
            WHERE d.id IS NULL OR c.id IS NULL
                OR (t.user_id IS NOT NULL
                    AND COALESCE(d.user_id, 0) <> t.user_id
                    AND COALESCE(c.user_id, 0) <> t.user_id)""",
    ),
    Query(
        check="kinds",
        title="transfers move between the accounts of their kind",
        noun="transfer",
        counted="transfers",
        drifts=f"""
            SELECT t.id AS subject, 'accounts of ' || t.kind AS expected,
                t.debit_account_id || ' to ' || t.credit_account_id AS found
            FROM transfers t
            WHERE NOT COALESCE(CASE t.kind {_IS_ON_ITS_PATH} ELSE FALSE END, FALSE)""",  # noqa: S608 - constants of ours
    ),
    Query(
        check="balances",
        title="cached balances are the sums of their entries",
        noun="wallet",
        counted="wallets",
        drifts="""
            SELECT w.user_id AS subject,
                COALESCE(e.trial, 0) || ' trial, ' || COALESCE(e.paid, 0) || ' paid' AS expected,
                w.trial_balance_nanos || ' trial, ' || w.paid_balance_nanos || ' paid' AS found
            FROM wallets w
            LEFT JOIN (
                SELECT account_id / 2 AS user_id,
                    SUM(CASE WHEN account_id % 2 = 0 THEN amount ELSE 0 END) AS trial,
                    SUM(CASE WHEN account_id % 2 = 1 THEN amount ELSE 0 END) AS paid
                FROM (
                    SELECT credit_account_id AS account_id, amount_nanos AS amount FROM transfers
                    UNION ALL
                    SELECT debit_account_id, -amount_nanos FROM transfers
                ) AS entries
                GROUP BY account_id / 2
            ) AS e ON e.user_id = w.user_id
            WHERE COALESCE(e.trial, 0) <> w.trial_balance_nanos
                OR COALESCE(e.paid, 0) <> w.paid_balance_nanos""",
    ),
    Query(
        check="holds",
        title="cached holds are the legs of the pending calls",
        noun="wallet",
        counted="wallets",
        drifts="""
            SELECT w.user_id AS subject,
                COALESCE(h.trial, 0) || ' trial, ' || COALESCE(h.paid, 0) || ' paid' AS expected,
                w.trial_held_nanos || ' trial, ' || w.paid_held_nanos || ' paid' AS found
            FROM wallets w
            LEFT JOIN (
                SELECT user_id, SUM(held_trial_nanos) AS trial, SUM(held_paid_nanos) AS paid
                FROM calls WHERE state = 'pending' GROUP BY user_id
            ) AS h ON h.user_id = w.user_id
            WHERE COALESCE(h.trial, 0) <> w.trial_held_nanos
                OR COALESCE(h.paid, 0) <> w.paid_held_nanos""",
    ),
    Query(
        check="caps",
        title="spend caps are the sums of their period's calls",
        noun="cap",
        counted="key_cap_periods",
        drifts="""
            SELECT COALESCE(p.cap_id, c.cap_id) || ' in ' || COALESCE(p.period, c.cap_period)
                    AS subject,
                COALESCE(c.spent, 0) || ' spent, ' || COALESCE(c.held, 0) || ' held' AS expected,
                COALESCE(p.spent_nanos, 0) || ' spent, ' || COALESCE(p.held_nanos, 0) || ' held'
                    AS found
            FROM key_cap_periods p
            FULL JOIN (
                SELECT cap_id, cap_period,
                    SUM(CASE WHEN state = 'posted' THEN cost_nanos - written_off_nanos ELSE 0 END)
                        AS spent,
                    SUM(CASE WHEN state = 'pending' THEN held_trial_nanos + held_paid_nanos
                        ELSE 0 END) AS held
                FROM calls WHERE cap_id IS NOT NULL AND cap_period IS NOT NULL
                GROUP BY cap_id, cap_period
            ) AS c ON c.cap_id = p.cap_id AND c.cap_period = p.period
            WHERE COALESCE(c.spent, 0) <> COALESCE(p.spent_nanos, 0)
                OR COALESCE(c.held, 0) <> COALESCE(p.held_nanos, 0)""",
    ),
    Query(
        check="running",
        title="running counts are the pending calls",
        noun="cap",
        counted="key_caps",
        drifts="""
            SELECT k.id AS subject, COALESCE(c.pending, 0) AS expected, k.running AS found
            FROM key_caps k
            LEFT JOIN (
                SELECT cap_id, COUNT(*) AS pending FROM calls
                WHERE state = 'pending' AND cap_id IS NOT NULL GROUP BY cap_id
            ) AS c ON c.cap_id = k.id
            WHERE COALESCE(c.pending, 0) <> k.running""",
    ),
    Query(
        check="settlements",
        title="calls are pending, or settled once and whole",
        noun="call",
        counted="calls",
        drifts="""
            SELECT id AS subject, 'a whole settlement, or none' AS expected,
                state || ', cost ' || COALESCE(CAST(cost_nanos AS VARCHAR), 'unset') AS found
            FROM calls
            WHERE (state = 'pending' AND (cost_nanos IS NOT NULL OR settled_at IS NOT NULL))
                OR (state <> 'pending' AND (settled_at IS NULL OR cost_nanos IS NULL
                    OR trial_cost_nanos IS NULL OR written_off_nanos IS NULL
                    OR trial_cost_nanos < 0 OR written_off_nanos < 0
                    OR trial_cost_nanos + written_off_nanos > cost_nanos))
                OR (state = 'voided' AND cost_nanos <> 0)""",
    ),
    Query(
        check="charges",
        title="calls have exactly the transfers of their charge",
        noun="call",
        counted="calls",
        drifts=f"""
            SELECT id AS subject, trial || ' trial, ' || paid || ' paid' AS expected,
                moved_trial || ' trial, ' || moved_paid || ' paid' AS found
            FROM (
                SELECT c.id,
                    CASE WHEN c.state = 'posted' THEN c.trial_cost_nanos ELSE 0 END AS trial,
                    CASE WHEN c.state = 'posted'
                        THEN c.cost_nanos - c.trial_cost_nanos - c.written_off_nanos
                        ELSE 0 END AS paid,
                    COALESCE(t.amount_nanos, 0) AS moved_trial,
                    COALESCE(p.amount_nanos, 0) AS moved_paid
                FROM calls c
                LEFT JOIN transfers t ON t.id = c.id * 2 AND t.kind = 'usage'
                    AND t.call_id = c.id AND t.user_id = c.user_id
                    AND t.debit_account_id = c.user_id * 2 AND t.credit_account_id = {_REVENUE}
                LEFT JOIN transfers p ON p.id = c.id * 2 + 1 AND p.kind = 'usage'
                    AND p.call_id = c.id AND p.user_id = c.user_id
                    AND p.debit_account_id = c.user_id * 2 + 1
                    AND p.credit_account_id = {_REVENUE}
            ) AS charges
            WHERE trial <> moved_trial OR paid <> moved_paid""",  # noqa: S608 - a constant of ours
    ),
    Query(
        check="usage",
        title="usage transfers belong to a posted call",
        noun="transfer",
        counted="transfers WHERE kind = 'usage'",
        drifts="""
            SELECT t.id AS subject, 'a posted call' AS expected,
                COALESCE(c.state, 'no call') AS found
            FROM transfers t
            LEFT JOIN calls c ON c.id = t.id / 2
            WHERE t.kind = 'usage'
                AND (c.id IS NULL OR c.state <> 'posted' OR COALESCE(t.call_id, 0) <> c.id)""",
    ),
    Query(
        check="write_offs",
        title="write-offs are the transfers of their calls",
        noun="call",
        counted="transfers WHERE kind = 'write_off'",
        drifts="""
            SELECT COALESCE(c.id, t.call_id) AS subject,
                COALESCE(c.written_off_nanos, 0) AS expected, COALESCE(t.amount, 0) AS found
            FROM (SELECT id, written_off_nanos FROM calls WHERE written_off_nanos > 0) AS c
            FULL JOIN (
                SELECT call_id, SUM(amount_nanos) AS amount FROM transfers
                WHERE kind = 'write_off' GROUP BY call_id
            ) AS t ON t.call_id = c.id
            WHERE COALESCE(c.written_off_nanos, 0) <> COALESCE(t.amount, 0)""",
    ),
    Query(
        check="refunds",
        title="refunds come from revenue, and to no bucket more than it was charged",
        noun="call",
        counted="transfers WHERE kind = 'refund'",
        drifts=f"""
            SELECT COALESCE(r.call_id, 0) AS subject,
                COALESCE(c.trial_cost_nanos, 0) || ' trial, '
                    || COALESCE(c.cost_nanos - c.trial_cost_nanos - c.written_off_nanos, 0)
                    || ' paid at most' AS expected,
                r.trial || ' trial, ' || r.paid || ' paid, ' || r.elsewhere || ' elsewhere'
                    AS found
            FROM (
                SELECT call_id, user_id,
                    SUM(CASE WHEN credit_account_id = user_id * 2 THEN amount_nanos ELSE 0 END)
                        AS trial,
                    SUM(CASE WHEN credit_account_id = user_id * 2 + 1 THEN amount_nanos ELSE 0 END)
                        AS paid,
                    SUM(CASE WHEN debit_account_id = {_REVENUE}
                        AND credit_account_id IN (user_id * 2, user_id * 2 + 1)
                        THEN 0 ELSE amount_nanos END) AS elsewhere
                FROM transfers WHERE kind = 'refund' GROUP BY call_id, user_id
            ) AS r
            LEFT JOIN calls c ON c.id = r.call_id AND c.user_id = r.user_id AND c.state = 'posted'
            WHERE c.id IS NULL OR r.elsewhere <> 0 OR r.trial > c.trial_cost_nanos
                OR r.paid > c.cost_nanos - c.trial_cost_nanos - c.written_off_nanos""",  # noqa: S608 - a constant of ours
    ),
    Query(
        check="vouchers",
        title="redeemed vouchers are the transfers of the vouchers' account",
        noun="voucher",
        counted="vouchers",
        drifts=f"""
            SELECT COALESCE(CAST(v.id AS VARCHAR), t.reference) AS subject,
                COALESCE(v.amount_nanos, 0) || ' for ' || COALESCE(v.redeemed_by, 0) AS expected,
                COALESCE(t.amount_nanos, 0) || ' for ' || COALESCE(t.user_id, 0) AS found
            FROM (
                SELECT id, amount_nanos, redeemed_by, 'voucher:' || id AS reference
                FROM vouchers WHERE redeemed_by IS NOT NULL
            ) AS v
            FULL JOIN (
                SELECT reference, amount_nanos, user_id FROM transfers
                WHERE kind = 'voucher' AND debit_account_id = {_VOUCHERS}
                    AND credit_account_id = user_id * 2 + 1
            ) AS t ON t.reference = v.reference
            WHERE COALESCE(v.amount_nanos, 0) <> COALESCE(t.amount_nanos, 0)
                OR COALESCE(v.redeemed_by, 0) <> COALESCE(t.user_id, 0)""",  # noqa: S608 - a constant of ours
    ),
    Query(
        check="overdue",
        title="no pending hold outlives its lease or deadline by 2 minutes",
        noun="call",
        counted="calls WHERE state = 'pending'",
        drifts="""
            SELECT c.id AS subject, 'settled' AS expected, 'pending' AS found
            FROM calls c
            LEFT JOIN process_leases l ON l.id = c.lease_id
            WHERE c.state = 'pending'
                AND (l.id IS NULL OR l.ended_at < :over_before
                    OR l.renewed_at < :lease_over_before OR c.deadline_at < :over_before)""",
    ),
    Query(
        check="trial_keys",
        title="trial keys move no paid money",
        noun="call",
        counted="calls WHERE scope = 'trial'",
        drifts="""
            SELECT id AS subject, 0 AS expected,
                COALESCE(cost_nanos - trial_cost_nanos - written_off_nanos, held_paid_nanos)
                    AS found
            FROM calls
            WHERE scope = 'trial'
                AND (held_paid_nanos <> 0
                    OR cost_nanos - trial_cost_nanos - written_off_nanos <> 0)""",
    ),
    Query(
        check="references",
        title="calls name a wallet, its key, a cap, and a price version of their model",
        noun="call",
        counted="calls",
        drifts="""
            SELECT c.id AS subject, 'wallet, key, cap, price version' AS expected,
                CASE WHEN w.user_id IS NULL THEN 'no wallet' WHEN k.id IS NULL THEN 'no key'
                    WHEN v.id IS NULL THEN 'no price version' ELSE 'no cap' END AS found
            FROM calls c
            LEFT JOIN wallets w ON w.user_id = c.user_id
            LEFT JOIN api_keys k ON k.id = c.key_id AND k.user_id = c.user_id
            LEFT JOIN price_versions v ON v.id = c.price_version_id AND v.model_id = c.model_id
            LEFT JOIN key_caps cap ON cap.id = c.cap_id
            WHERE w.user_id IS NULL OR k.id IS NULL OR v.id IS NULL
                OR (c.cap_id IS NOT NULL AND cap.id IS NULL)""",
    ),
    Query(
        check="wallets",
        title="each user has one wallet and its two ledger accounts",
        noun="user",
        counted="users",
        drifts="""
            SELECT u.id AS subject, 'a wallet and two ledger accounts' AS expected,
                CASE WHEN w.user_id IS NULL THEN 'no wallet' ELSE 'a ledger account missing' END
                    AS found
            FROM users u
            LEFT JOIN wallets w ON w.user_id = u.id
            LEFT JOIN ledger_accounts t ON t.id = u.id * 2 AND t.user_id = u.id
                AND t.kind = 'user_trial'
            LEFT JOIN ledger_accounts p ON p.id = u.id * 2 + 1 AND p.user_id = u.id
                AND p.kind = 'user_paid'
            WHERE w.user_id IS NULL OR t.id IS NULL OR p.id IS NULL""",
    ),
    Query(
        check="accounts",
        title="ledger accounts are the operator's and the users', no other",
        noun="ledger account",
        counted="ledger_accounts",
        drifts=f"""
            SELECT COALESCE(o.id, a.id) AS subject, COALESCE(o.kind, 'none') AS expected,
                COALESCE(a.kind, 'none') AS found
            FROM ({_OPERATOR_ACCOUNTS}) AS o
            FULL JOIN (
                SELECT id, kind FROM ledger_accounts
                WHERE user_id IS NULL OR user_id <> id / 2
                    OR kind <> CASE WHEN id % 2 = 0 THEN 'user_trial' ELSE 'user_paid' END
            ) AS a ON a.id = o.id
            WHERE COALESCE(o.kind, 'none') <> COALESCE(a.kind, 'none')""",  # noqa: S608 - ours
    ),
)

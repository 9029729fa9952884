"""Every check of the proof finds what it is there for, and nothing in books that are sound."""

from sqlalchemy.orm import Session

from app.core.database import in_session
from app.domain.billing import verify_queries
from app.domain.billing.models import TransferKind
from app.domain.billing.refunds import refund
from app.domain.billing.verify import examine, examine_within
from app.domain.payments import vouchers
from tests.conftest import FrozenTime
from tests.domain.billing.books import Books

NEW_USER = (
    "INSERT INTO users (email, nickname, active, created_at, fs_uniquifier, inviter_state)"
    " VALUES ('x@example.com', 'x', {true}, 0, 'x', 'none')"
)
FORGED = (
    "INSERT INTO transfers (id, user_id, debit_account_id, credit_account_id, amount_nanos, kind,"
    " call_id, actor, reason, at) VALUES ({row}, 'x', 'x', 0)"
)

CORRUPTIONS = [
    ("entries", FORGED.format(row="2, NULL, 999999, 1, 5, 'usage', NULL")),
    ("transfers", FORGED.format(row="2, NULL, 999999, 1, 5, 'usage', NULL")),
    ("transfers", FORGED.format(row="2, 10001, 2, 1, 5, 'usage', NULL")),
    ("kinds", FORGED.format(row="2, 10001, 20002, 20003, 5, 'operator_credit', NULL")),
    ("kinds", FORGED.format(row="2, 10001, 20003, 20005, 5, 'closing', NULL")),
    ("kinds", FORGED.format(row="2, NULL, 3, 20003, 5, 'operator_credit', NULL")),
    ("kinds", FORGED.format(row="2, 10001, 4, 20003, 5, 'write_off', NULL")),
    ("kinds", FORGED.format(row="2, 10001, 2, 20003, 5, 'trial_grant', NULL")),
    ("kinds", FORGED.format(row="2, 10001, 1, 20003, 5, 'voucher', NULL")),
    ("kinds", FORGED.format(row="2, 10001, 6, 20003, 5, 'operator_credit', NULL")),
    ("kinds", FORGED.format(row="2, 10001, 20003, 1, 5, 'usage', 1")),
    ("balances", "UPDATE wallets SET paid_balance_nanos = paid_balance_nanos + 1"),
    ("balances", "UPDATE wallets SET trial_balance_nanos = trial_balance_nanos + 1"),
    ("holds", "UPDATE wallets SET paid_held_nanos = paid_held_nanos - 1 WHERE paid_held_nanos > 0"),
    ("holds", "UPDATE wallets SET trial_balance_nanos = 9, trial_held_nanos = 9"),
    ("holds", "UPDATE calls SET held_paid_nanos = 0 WHERE state = 'pending'"),
    ("caps", "UPDATE key_cap_periods SET spent_nanos = spent_nanos + 1"),
    ("caps", "UPDATE key_cap_periods SET held_nanos = held_nanos + 1"),
    ("caps", "DELETE FROM key_cap_periods"),
    ("running", "UPDATE key_caps SET running = running + 1"),
    ("settlements", "UPDATE calls SET settled_at = NULL WHERE state = 'posted'"),
    ("settlements", "UPDATE calls SET cost_nanos = 1 WHERE state = 'voided'"),
    ("settlements", "UPDATE calls SET cost_nanos = 1 WHERE state = 'pending'"),
    ("settlements", "UPDATE calls SET written_off_nanos = 999 WHERE state = 'posted'"),
    ("charges", "UPDATE calls SET trial_cost_nanos = 0 WHERE trial_cost_nanos > 0"),
    ("charges", "UPDATE calls SET cost_nanos = cost_nanos + 1 WHERE state = 'posted'"),
    ("charges", "UPDATE calls SET state = 'voided', cost_nanos = 0 WHERE state = 'posted'"),
    ("usage", "DELETE FROM calls WHERE state = 'posted'"),
    ("usage", FORGED.format(row="2, NULL, 2, 1, 5, 'usage', 1")),
    ("write_offs", "UPDATE calls SET written_off_nanos = 0 WHERE written_off_nanos > 0"),
    ("write_offs", FORGED.format(row="2, NULL, 4, 1, 5, 'write_off', 1")),
    ("refunds", "UPDATE calls SET cost_nanos = 25, trial_cost_nanos = 10 WHERE cost_nanos = 50"),
    ("refunds", "UPDATE calls SET written_off_nanos = 20 WHERE cost_nanos = 50"),
    ("refunds", "DELETE FROM calls WHERE state = 'posted'"),
    ("refunds", FORGED.format(row="2, 10001, 20003, 20002, 5, 'refund', NULL")),
    ("refunds", FORGED.format(row="2, 10001, 3, 20003, 5, 'refund', 1")),
    ("vouchers", "UPDATE vouchers SET amount_nanos = amount_nanos + 1"),
    ("vouchers", "UPDATE vouchers SET redeemed_by = NULL, redeemed_at = NULL"),
    ("vouchers", "DELETE FROM vouchers"),
    ("vouchers", FORGED.format(row="2, 10001, 6, 20003, 5, 'voucher', NULL")),
    ("overdue", "UPDATE calls SET deadline_at = 0 WHERE state = 'pending'"),
    ("overdue", "UPDATE process_leases SET renewed_at = 0"),
    ("overdue", "UPDATE process_leases SET ended_at = 0"),
    ("overdue", "DELETE FROM process_leases"),
    ("trial_keys", "UPDATE calls SET scope = 'trial' WHERE held_paid_nanos = 0 AND cost_nanos > 0"),
    ("references", "UPDATE calls SET key_id = 1"),
    ("references", "UPDATE calls SET price_version_id = 999"),
    ("references", "UPDATE calls SET model_id = 999"),
    ("references", "UPDATE calls SET cap_id = 999"),
    ("references", "UPDATE calls SET user_id = 999"),
    ("wallets", NEW_USER),
    ("wallets", "DELETE FROM ledger_accounts WHERE kind = 'user_paid'"),
    ("accounts", "DELETE FROM ledger_accounts WHERE id = 4"),
    ("accounts", "UPDATE ledger_accounts SET kind = 'write_offs' WHERE id = 5"),
    ("accounts", "INSERT INTO ledger_accounts (id, kind) VALUES (7, 'revenue')"),
    ("accounts", "UPDATE ledger_accounts SET kind = 'user_paid' WHERE kind = 'user_trial'"),
    ("prices", "UPDATE calls SET units = '{\"input\": 1}' WHERE state = 'posted'"),
    ("prices", "UPDATE calls SET units = NULL WHERE state = 'posted'"),
    ("prices", "UPDATE calls SET units = '{\"input\": -1}' WHERE state = 'posted'"),
    ("prices", "UPDATE calls SET units = '{\"bananas\": 1}' WHERE state = 'posted'"),
    ("prices", "UPDATE calls SET units = '{\"image\": 1}' WHERE state = 'posted'"),
    ("prices", "UPDATE calls SET units = '{' WHERE state = 'posted'"),
    ("prices", "UPDATE calls SET price_version_id = 999 WHERE state = 'posted'"),
]


def write_some_calls(books: Books) -> None:
    """A wallet with each kind of call: posted from both buckets, in excess, written off; voided;
    pending."""
    key = books.key(books.user(trial=30, paid=100), cap_nanos=1000, max_running=5)
    books.post(books.hold(key, 60), 50)
    books.void(books.hold(key, 10))
    books.hold(key, 10)
    generous = books.key(books.user(trial=10, paid=100))
    books.post(books.hold(generous, 10), 25)
    poor = books.key(books.user(paid=10))
    books.post(books.hold(poor, 10), 15)
    give_money_in_and_back(books)


def give_money_in_and_back(books: Books) -> None:
    """A voucher that was redeemed, and a call of 50 refunded in part from both buckets."""
    user_id = books.user(trial=20, paid=100)
    hold = books.hold(books.key(user_id), 60)
    books.post(hold, 50)
    with Session(books.engine) as session:
        (code,) = vouchers.create(
            session, books.digester, amount_nanos=7, count=1, batch="spring", expires_at=None,
            author="test", reason="test",
        )  # fmt: skip
        vouchers.redeem(session, books.digester, code=code, user_id=user_id, actor="test")
        refund(
            in_session(session), call_id=hold.call_id, amount_nanos=45, actor="test",
            reason="test", reference=None,
        )  # fmt: skip
        session.commit()


def test_sound_books_have_no_drift_and_every_check_looked(any_books: Books):
    write_some_calls(any_books)
    with Session(any_books.engine) as session:
        results = examine(session)
    assert [result for result in results if result.drifts] == []
    assert {result.check for result in results} == {check for check, _ in CORRUPTIONS}
    assert {r.check for r in results if not r.count} == {"trial_keys"}


def test_empty_books_are_sound(any_books: Books):
    assert any_books.drifts() == []


def test_every_corruption_is_found_by_its_check(any_books: Books):
    write_some_calls(any_books)
    is_sqlite = any_books.engine.dialect.name == "sqlite"
    missed = []
    for check, sql in CORRUPTIONS:
        statement = sql.replace("{true}", "1" if is_sqlite else "true")
        if check not in checks_that_drift_after(any_books, statement):
            missed.append((check, statement))
    assert missed == []
    assert any_books.drifts() == []


def test_call_charged_a_second_time_to_the_other_bucket_is_found(any_books: Books):
    """The forger moves the wallet as well, and takes the id that the call left free."""
    user_id = any_books.user(paid=100)
    hold = any_books.hold(any_books.key(user_id), 60)
    any_books.post(hold, 50)
    any_books.execute(
        FORGED.format(
            row=f"{hold.call_id * 2}, {user_id}, {user_id * 2 + 1}, 1, 20, 'usage', {hold.call_id}"
        )
    )
    any_books.execute("UPDATE wallets SET paid_balance_nanos = paid_balance_nanos - 20")
    assert {drift.check for drift in any_books.drifts()} == {"kinds"}


def test_every_kind_of_transfer_has_its_accounts():
    assert {kind for kind, _, _ in verify_queries.PATHS} == set(TransferKind)


def checks_that_drift_after(books: Books, sql: str) -> set[str]:
    """The checks that would drift if `sql` had happened; it is undone."""
    with books.engine.connect() as connection:
        connection.exec_driver_sql(sql)
        with Session(connection) as session:
            results = examine_within(session)
        connection.rollback()
    return {result.check for result in results if result.drifts}


def test_drift_names_the_row_and_both_values(books: Books):
    user_id = books.user(paid=100)
    books.execute("UPDATE wallets SET paid_balance_nanos = 105")
    (drift,) = books.drifts()
    assert (drift.check, drift.subject) == ("balances", f"wallet {user_id}")
    assert (drift.expected, drift.found) == ("0 trial, 100 paid", "0 trial, 105 paid")


def test_hold_is_overdue_two_minutes_after_its_lease_or_deadline(
    any_books: Books, frozen_time: FrozenTime
):
    any_books.hold(any_books.key(any_books.user(paid=100)), 10)
    frozen_time.advance(150)
    assert any_books.drifts() == []
    frozen_time.advance(1)
    assert [drift.check for drift in any_books.drifts()] == ["overdue"]


def test_proof_leaves_no_transaction_open(any_books: Books):
    with Session(any_books.engine) as session:
        examine(session)
        any_books.user(paid=5)
        assert examine(session)[0].count == 1

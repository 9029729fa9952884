"""``/account/keys``: the list, and the owner's yes, no and never again."""

from flask import flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.wrappers import Response

from app.core.database import db
from app.domain.accounts import approvals, keys
from app.domain.accounts.approvals import Approval
from app.services import services
from app.web.account.blueprint import bp
from app.web.account.forms import ApprovalForm, CapForm, as_typed
from app.web.account.key_rows import key_rows
from app.web.account.owner import signed_in_user

_KEY = f"/account/keys/<int(max={2**63 - 1}):key_id>"


@bp.get("/account/keys")
def list_keys() -> str:
    return _page()


@bp.post(f"{_KEY}/approve")
def approve_key(key_id: int) -> ResponseReturnValue:
    """A wrong try is committed too: it counts."""
    form = ApprovalForm()
    if not form.validate():
        return _page(faulty_id=key_id, approving=form), 400
    outcome = approvals.approve(
        db.session(),
        services().digester,
        owner=signed_in_user(),
        key_id=key_id,
        last_six=form.last_six.data,
        cap_nanos=form.cap_nanos,
    )
    db.session.commit()
    if outcome is Approval.APPROVED:
        return _back(gettext("The key is approved."))
    if outcome is Approval.WRONG_TAIL:
        wrong = gettext("These are not the last six characters of this key.")
        form.last_six.errors = [wrong]
    return _page(faulty_id=key_id, approving=form), 400


@bp.post(f"{_KEY}/replace")
def replace_key(key_id: int) -> ResponseReturnValue:
    """Approve under a new secret; this answer is the only place where it is ever shown."""
    form = CapForm()
    if not form.validate():
        return _page(faulty_id=key_id, replacing=form), 400
    issued = approvals.approve_by_replacing(
        db.session(),
        services().digester,
        owner=signed_in_user(),
        key_id=key_id,
        cap_nanos=form.cap_nanos,
    )
    db.session.commit()
    response = make_response(
        render_template("account/new_secret.html", name=issued.key.name, secret=issued.secret)
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.post(f"{_KEY}/refuse")
def refuse_key(key_id: int) -> ResponseReturnValue:
    user = signed_in_user()
    key = keys.get(db.session(), user_id=user.id, key_id=key_id)
    keys.refuse(db.session(), key=key, actor=user.email)
    db.session.commit()
    return _back(gettext("The key is refused. Nobody can ask for it again under this name."))


@bp.post(f"{_KEY}/revoke")
def revoke_key(key_id: int) -> ResponseReturnValue:
    user = signed_in_user()
    key = keys.get(db.session(), user_id=user.id, key_id=key_id)
    keys.revoke(db.session(), key=key, actor=user.email)
    db.session.commit()
    return _back(gettext("The key is revoked, along with every key created with it."))


def _page(
    *,
    faulty_id: int | None = None,
    approving: ApprovalForm | None = None,
    replacing: CapForm | None = None,
) -> str:
    """The list; a form that was filled in wrongly shows its errors at its key `faulty_id`."""
    user = signed_in_user()
    proposed = as_typed(services().settings.current()["approval_cap_usd"])
    rows = key_rows(db.session(), keys.of_user(db.session(), user.id))
    blank_form = ApprovalForm(formdata=None, cap_usd=proposed)
    return render_template(
        "account/keys.html",
        waiting=[row for row in rows if row.is_waiting],
        rows=rows,
        faulty_id=faulty_id,
        approving=approving or blank_form,
        replacing=replacing or blank_form,
        blank_form=blank_form,
    )


def _back(notice: str) -> Response:
    flash(notice)
    return redirect(url_for("account.list_keys"), 303)

"""Claiming an account by the link in a mail, asking for a fresh link, or saying "This wasn't me".

A GET shows and uses up nothing: mail programs open links by themselves. The link is a secret, so
its pages are not stored and tell no other site where the reader came from.
"""

from flask import make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from app.callers import caller_ip, rate_limiter
from app.core.client_ip import network_of, rate_subject
from app.core.database import db
from app.core.ratelimit import Quota
from app.domain.accounts import claims, keys
from app.domain.accounts.errors import ClaimLinkInvalid
from app.domain.accounts.models import ClaimLink, User
from app.domain.partners import claiming as rules
from app.services import services
from app.web.account.blueprint import bp
from app.web.account.forms import ClaimForm, LinkForm
from app.web.account.inviters import inviter_name
from app.web.account.key_rows import key_rows
from app.web.account.passwords import hash_new
from app.web.account.signing_in import start_session
from app.web.languages import current_language

LINKS_A_MINUTE_OF_IP = 5
LINKS_A_MINUTE_OF_NETWORK = 20


@bp.get("/claim")
def ask_for_link() -> str:
    return render_template("account/ask_for_link.html", form=LinkForm())


@bp.post("/claim")
def send_link() -> ResponseReturnValue:
    """Answers alike whether or not there is an account, claimed or not."""
    form = LinkForm()
    if not form.validate():
        return render_template("account/ask_for_link.html", form=form), 400
    _refuse_flood()
    rules.request_link(
        db.session(),
        services().digester,
        email=form.email.data,
        language=current_language().tag,
        base_url=services().boot["BASE_URL"],
        network=network_of(caller_ip()),
    )
    db.session.commit()
    return render_template("account/link_sent.html", email=form.email.data)


@bp.get("/claim/<token>")
def show_claim(token: str) -> ResponseReturnValue:
    try:
        link, user = _find(token)
    except ClaimLinkInvalid:
        return _dead_link()
    return _secret_page("account/claim.html", **_shown(token, link, user), form=_form(user))


@bp.post("/claim/<token>")
def claim(token: str) -> ResponseReturnValue:
    """Use the link up: the account gets its password, and this browser is signed in."""
    try:
        link, user = _find(token)
        form = _form(user)
        if not form.validate():
            page = _secret_page("account/claim.html", **_shown(token, link, user), form=form)
            return page, 400
        _claim(token, form)
    except ClaimLinkInvalid:
        return _dead_link()
    return redirect(url_for("account.list_keys"), 303)


@bp.get("/claim/<token>/refuse")
def show_refusal(token: str) -> ResponseReturnValue:
    try:
        link, user = _find(token)
    except ClaimLinkInvalid:
        return _dead_link()
    return _secret_page("account/refuse_claim.html", **_shown(token, link, user))


@bp.post("/claim/<token>/refuse")
def refuse_claim(token: str) -> ResponseReturnValue:
    """ "This wasn't me": revoke the keys and block the inviter for this email."""
    try:
        claims.disown(db.session(), services().digester, token=token)
    except ClaimLinkInvalid:
        return _dead_link()
    db.session.commit()
    return _secret_page("account/claim_refused.html")


def _find(token: str) -> tuple[ClaimLink, User]:
    link = claims.find_link(db.session(), services().digester, token)
    return link, db.session.get_one(User, link.user_id)


def _form(user: User) -> ClaimForm:
    offered = claims.inviters_offered(db.session(), user)
    inviters = {number: inviter_name(db.session(), number) for number in offered}
    return ClaimForm(owner_email=user.email, inviters=inviters)


def _claim(token: str, form: ClaimForm) -> None:
    user = rules.claim(
        db.session(),
        services().digester,
        services().settings.current(),
        token=token,
        password_hash=hash_new(form.password.data),
        inviter_id=form.accepted_inviter_id,
        network=network_of(caller_ip()),
    )
    db.session.commit()
    start_session(user, authenticated_by="claim")


def _shown(token: str, link: ClaimLink, user: User) -> dict[str, object]:
    """What the mailbox's owner sees of the account that was opened for them."""
    session = db.session()
    named = None if link.inviter_id is None else inviter_name(session, link.inviter_id)
    rows = key_rows(session, keys.of_user(session, user.id))
    return {"token": token, "email": user.email, "inviter": named, "rows": rows}


def _secret_page(template: str, **shown: object) -> Response:
    response = make_response(render_template(template, **shown))
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


def _dead_link() -> ResponseReturnValue:
    """Used, too old, or mistyped: the ways on are a fresh link, or to sign in."""
    return _secret_page("account/dead_link.html"), 404


def _refuse_flood() -> None:
    ip = caller_ip()
    rate_limiter().require(
        Quota("claim-link-ip", rate_subject(ip), LINKS_A_MINUTE_OF_IP),
        Quota("claim-link-network", network_of(ip), LINKS_A_MINUTE_OF_NETWORK),
    )

"""Errors, rendered once, in the dialect of the surface whose path was asked for.

Whatever is raised becomes an `AppError` (`as_app_error`) and is then shown as OpenAI's shape, as
the envelope, or as a page. What went wrong inside is logged under the request id, never shown.
"""

import logging
from collections.abc import Callable, Mapping

import sqlalchemy.exc
from flask import Flask, Response, current_app, g, make_response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from app import api
from app.core.database import DatabaseBusy
from app.core.errors import (
    AppError,
    BadRequest,
    Conflict,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from app.core.i18n import in_language
from app.edge.error_texts import text_for
from app.edge.request_log import current_request_id
from app.edge.surfaces import Surface, surface_of
from app.gateway.errors import error_body
from app.web.languages import current_language, visitor_language

log = logging.getLogger(__name__)

_DATABASE_RETRY_S = 2

_DATABASE_FAILURES = (sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError)

_BY_STATUS: Mapping[int, type[AppError]] = {
    leaf.status: leaf
    for leaf in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        Conflict,
        PayloadTooLarge,
        UnsupportedMediaType,
        TooManyRequests,
        AppError,
        Unavailable,
    )
}


def bind_errors(app: Flask) -> None:
    app.register_error_handler(Exception, _answer)


def as_app_error(error: Exception) -> AppError:
    """The one translation of foreign errors. What nobody expected is logged here."""
    if isinstance(error, AppError):
        return error
    original = getattr(error, "original_exception", None)
    if original is not None:  # raised while an answer was finished, and wrapped by Flask
        return as_app_error(original)
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, _DATABASE_FAILURES):
        log.error("the database did not answer", exc_info=error)
        return DatabaseBusy(retry_after_s=_DATABASE_RETRY_S)
    log.error("a request failed", exc_info=error)
    return AppError()


def _answer(error: Exception) -> ResponseReturnValue:
    if isinstance(error, HTTPException) and error.response is not None:
        return error  # an answer made elsewhere, such as a redirect
    translated = as_app_error(error)
    response = _RENDERERS[surface_of(request.path)](translated)
    if translated.retry_after_s is not None:
        response.headers["Retry-After"] = str(translated.retry_after_s)
    if isinstance(error, HTTPException):
        response.headers.extend(h for h in error.get_headers() if h[0] in ("Allow", "Retry-After"))
    return response


def _of_http(error: HTTPException) -> AppError:
    status = error.code or 500
    family: type[AppError] = BadRequest if 400 <= status < 500 else AppError
    return _BY_STATUS.get(status, family)()


def _as_openai(error: AppError) -> Response:
    response = Response(error_body(error), status=error.status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _as_page(error: AppError) -> Response:
    # Without the context of other pages: that would ask the database who is signed in.
    template = current_app.jinja_env.get_template("errors/error.html")
    with in_language(_page_language(error)) as language:
        page = template.render(
            language=language, text=text_for(error.status), request_id=current_request_id()
        )
    response = make_response(page, error.status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _page_language(error: AppError) -> str:
    """The reader's; without the account's where the database is, or may be, what failed."""
    if error.status < 500:
        try:
            return current_language().tag
        except _DATABASE_FAILURES:
            log.warning("an error page could not ask for the account's language")
    in_path: str | None = g.get("language")
    return in_path or visitor_language()


_RENDERERS: Mapping[Surface, Callable[[AppError], Response]] = {
    Surface.OPENAI: _as_openai,
    Surface.ENVELOPE: api.error_response,
    Surface.PAGE: _as_page,
}

"""The sandbox as a WSGI application: find the handler, draft the answer, spoil it as asked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from app.core.errors import AppError, MethodNotAllowed, NotFound, Unauthorized
from app.sandbox.chat import draft_chat
from app.sandbox.draft import Draft
from app.sandbox.embeddings import draft_embeddings
from app.sandbox.errors import document_of
from app.sandbox.images import draft_images
from app.sandbox.misbehave import misbehave
from app.sandbox.models import draft_models
from app.sandbox.request import Request, read_document, read_request
from app.sandbox.wire import play
from app.sandbox.wish import Wish, read_wish

Handler = Callable[[Request, Mapping[str, Any], Wish], Draft]
RequestListener = Callable[[Request], None]
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

ROUTES: Mapping[str, tuple[str, Handler]] = {
    "/v1/models": ("GET", draft_models),
    "/v1/chat/completions": ("POST", draft_chat),
    "/v1/embeddings": ("POST", draft_embeddings),
    "/v1/images/generations": ("POST", draft_images),
}


def make_app(
    *, on_request: RequestListener | None = None, on_hangup: RequestListener | None = None
) -> Application:
    """The WSGI application.

    `on_request` is told every request as it arrives, `on_hangup` each whose client left before
    the end of the answer; both are called in the thread that answers.
    """

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = read_request(environ)
        if on_request is not None:
            on_request(request)

        def left() -> None:
            if on_hangup is not None:
                on_hangup(request)

        draft = draft_answer(request)
        return play(draft, environ=environ, start_response=start_response, on_hangup=left)

    return application


def draft_answer(request: Request) -> Draft:
    """The answer to any request, an error of the request's own included."""
    try:
        handler = _find_handler(request)
        _require_key(request)
        document = read_document(request)
        wish = read_wish(request, document)
        return misbehave(handler(request, document, wish), wish)
    except AppError as error:
        draft = Draft(request=request, document={}, events=(document_of(error),))
        return replace(draft, status=error.status)


def _find_handler(request: Request) -> Handler:
    route = ROUTES.get(request.path)
    if route is None:
        raise NotFound(
            f"Unknown request URL: {request.method} {request.path}.", facts={"code": "unknown_url"}
        )
    method, handler = route
    if request.method != method:
        raise MethodNotAllowed(f"Not allowed to {request.method} on {request.path}; use {method}.")
    return handler


def _require_key(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized("You didn't provide an API key: send Authorization: Bearer <any key>.")

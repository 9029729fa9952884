"""What browsers are told: load nothing foreign, run nothing inline, guess nothing."""

from flask import Flask, Response, request

from app.edge.surfaces import Surface, surface_of

_EVERYWHERE = {"X-Content-Type-Options": "nosniff"}

_ON_PAGES = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


def bind_headers(app: Flask) -> None:
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    """A view's own header wins: it knows better what its page holds."""
    is_page = surface_of(request.path) is Surface.PAGE
    for name, value in (_EVERYWHERE | _ON_PAGES if is_page else _EVERYWHERE).items():
        response.headers.setdefault(name, value)
    return response

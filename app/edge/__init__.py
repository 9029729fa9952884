"""What holds for every request, whatever serves it: id, log line, headers, cookies, errors."""

from flask import Flask

from app.edge.cookies import bind_cookies
from app.edge.errors import bind_errors
from app.edge.headers import bind_headers
from app.edge.request_log import bind_request_log

__all__ = ["bind_edge"]

FORM_LIMIT_BYTES = 1024 * 1024


def bind_edge(app: Flask) -> None:
    """Bind before anything else that looks at requests: the log line is begun first, ended last."""
    bind_request_log(app)
    bind_headers(app)
    bind_cookies(app)
    bind_errors(app)
    # Of forms: the JSON surfaces read their bodies themselves, to limits of their own.
    app.config["MAX_CONTENT_LENGTH"] = FORM_LIMIT_BYTES
    # "/v1//models" is an unknown path in the dialect of /v1, not a redirect in HTML.
    app.url_map.merge_slashes = False

"""What may go wrong between us and a provider's server.

Internal: none of these reaches a caller. The proxy turns each into "try elsewhere" or into an
error of ``app.core.errors``.

::

    UpstreamError
    ├── ConnectFailed          no usable connection: refused, unreachable, name unknown, TLS
    │   └── ProxyFailed        the channel's own proxy gave no tunnel; its text may be shown
    ├── AddressNotAllowed      the host leads only to addresses that are not on the open internet
    ├── ConnectTimeout         name, TCP, proxy and TLS together took too long
    ├── FirstContentTimeout    the answer did not begin in time
    ├── IdleTimeout            the answer stalled
    ├── TotalTimeout           the whole exchange took too long
    ├── ConnectionBroken       the connection ended before the answer did
    │   └── StaleConnection    a kept one, before any byte; never leaves `upstream.py`
    ├── MalformedAnswer        not HTTP, or a head larger than we read
    ├── AnswerTooLarge         more bytes than the reader allows
    └── UnexpectedEncoding     compressed, though we asked for `identity`
"""


class UpstreamError(Exception):
    """Base of them all. `sent`: bytes of the request may have reached the provider."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class ConnectFailed(UpstreamError):
    pass


class ProxyFailed(ConnectFailed):
    pass


class AddressNotAllowed(UpstreamError):
    pass


class ConnectTimeout(UpstreamError):
    pass


class FirstContentTimeout(UpstreamError):
    pass


class IdleTimeout(UpstreamError):
    pass


class TotalTimeout(UpstreamError):
    pass


class ConnectionBroken(UpstreamError):
    pass


class StaleConnection(ConnectionBroken):
    pass


class MalformedAnswer(UpstreamError):
    pass


class AnswerTooLarge(UpstreamError):
    pass


class UnexpectedEncoding(UpstreamError):
    pass


def translated(
    error: OSError | UnicodeError,
    *,
    late: type[UpstreamError],
    broken: type[UpstreamError],
    sent: bool,
) -> UpstreamError:
    """The one map from foreign errors (`socket`, `ssl`, name resolution) to ours.

    `late` is the time-out that was running, `broken` what any other failure means at this stage.
    """
    kind = late if isinstance(error, TimeoutError) else broken
    return kind(str(error) or type(error).__name__, sent=sent)

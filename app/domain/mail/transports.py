"""The ways out for a mail: a mail server, or the terminal of a developer."""

import smtplib
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from ipaddress import ip_address
from typing import Any, Protocol, TextIO
from urllib.parse import parse_qs, unquote, urlsplit

TIMEOUT_S = 20.0


class MailServerDown(Exception):
    """No mail can go out now: the server is not there, or does not let us in."""


class MailRefused(Exception):
    """The server did not take this one mail."""


class Transport(Protocol):
    """Raises MailServerDown or MailRefused; returning means that the mail was taken over."""

    def send(self, mail: EmailMessage) -> None: ...


@dataclass(frozen=True, slots=True)
class PrintTransport:
    """Writes the text to a stream: development's way to read mail."""

    stream: TextIO | None = None

    def send(self, mail: EmailMessage) -> None:
        body = mail.get_body(("plain",))
        assert isinstance(body, EmailMessage), "every mail of ours has a text"
        stream = self.stream or sys.stderr
        stream.write(f"To: {mail['To']}\nSubject: {mail['Subject']}\n\n{body.get_content()}\n")
        stream.flush()


@dataclass(frozen=True, slots=True)
class SmtpTransport:
    """One connection a mail. Encrypted, unless the server is this machine and no password is
    sent, or the URL says ``?tls=off`` (a relay in the same rack).
    """

    host: str
    port: int
    user: str
    password: str
    is_tls_from_start: bool
    is_tls_required: bool
    timeout_s: float = TIMEOUT_S

    @classmethod
    def from_url(cls, url: str) -> "SmtpTransport":
        """``smtp://user:password@host:587`` (STARTTLS) or ``smtps://…:465``.

        Raises ValueError without repeating the URL, which holds a password.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("SMTP_URL: write smtp://user:password@host:587 or smtps://…:465")
        is_off = parse_qs(parts.query).get("tls") == ["off"]
        is_local = _is_loopback(parts.hostname) and not parts.username
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if parts.scheme == "smtps" else 587),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            is_tls_from_start=parts.scheme == "smtps",
            is_tls_required=not is_off and not is_local,
        )

    def send(self, mail: EmailMessage) -> None:
        try:
            with self._connected() as server:
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            raise MailRefused(f"{code} {_readable(text)}") from error
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise MailRefused(f"{error.smtp_code} {_readable(error.smtp_error)}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailServerDown(f"{type(error).__name__}: {error}") from error

    def _connected(self) -> smtplib.SMTP:
        if self.is_tls_from_start:
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.timeout_s, context=context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        try:
            self._introduce(server)
        except BaseException:
            server.close()
            raise
        return server

    def _introduce(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        if not self.is_tls_from_start and (self.is_tls_required or server.has_extn("starttls")):
            # Raises SMTPNotSupportedError where it is required and not offered.
            server.starttls(context=ssl.create_default_context())
        if self.user:
            server.login(self.user, self.password)


def transport_for(config: Mapping[str, Any]) -> Transport | None:
    """The way out that the boot settings choose; None: mail stays in the outbox."""
    if config["SMTP_URL"]:
        return SmtpTransport.from_url(config["SMTP_URL"])
    return PrintTransport() if config["APP_ENV"] == "development" else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _readable(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text

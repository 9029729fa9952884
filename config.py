"""Every boot setting once: name, type, default, secret or not, help.

The only reader of the environment.

Boot settings say how a process runs and are fixed while it runs. What an operator changes while
running (rates, budgets, notices) are business settings: see ``app/domain/settings``.
"""

import json
import math
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parent


class ConfigError(SystemExit):
    """A boot setting is missing or wrong: the process refuses to start and says what to do."""


@dataclass(frozen=True, slots=True)
class BootSetting:
    """One row of the settings table in the README. `parse` turns the text into its value."""

    name: str
    parse: Callable[[str], Any]
    default: str | None
    help: str
    secret: bool = False


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"write {' or '.join(choices)}")
        return text

    return parse


def _positive(kind: type[int] | type[float]) -> Callable[[str], Any]:
    def parse(text: str) -> int | float:
        number = kind(text)
        if not 0 < number < math.inf:
            raise ValueError("write a number above zero")
        return number

    return parse


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("write 0 or more")
    return number


def _metrics_token(text: str) -> str:
    if text and len(text) < 16:
        raise ValueError("write at least 16 random characters")
    return text


def _redis_url(text: str) -> str:
    if text and not text.startswith(("redis://", "rediss://", "redis+unix://")):
        raise ValueError("write redis://host:6379/0, rediss://… or redis+unix://…")
    return text


def _networks(text: str) -> tuple[str, ...]:
    for word in _words(text):
        ip_network(word, strict=False)
    return _words(text)


def _sealing_keys(text: str) -> tuple[str, ...]:
    for word in _words(text):
        Fernet(word)
    return _words(text)


BOOT_SETTINGS: tuple[BootSetting, ...] = (
    BootSetting(
        "APP_ENV",
        _one_of("development", "production"),
        "development",
        "`development` prints mail, has the demonstration; `production` demands its own secrets",
    ),
    BootSetting("HOST", str, "127.0.0.1", "address to listen on"),
    BootSetting("PORT", int, "8000", "port to listen on"),
    BootSetting(
        "INSTANCE_DIR",
        str,
        "instance",
        "folder of the SQLite database, the generated secrets and `run.json`",
    ),
    BootSetting(
        "DATABASE_URL",
        str,
        "",
        "`sqlite:///…` or `postgresql+psycopg://…`; empty: `flowhub.db` in INSTANCE_DIR",
    ),
    BootSetting(
        "REDIS_URL",
        _redis_url,
        "",
        "`redis://…`: where several processes count rate limits; empty: in the database",
        secret=True,
    ),
    BootSetting(
        "BASE_URL",
        str,
        "",
        "public address, without a final slash, for links in mails; empty: http://HOST:PORT",
    ),
    BootSetting(
        "SECRET_KEY", str, None, "signs sessions and forms; at least 32 characters", secret=True
    ),
    BootSetting(
        "SEALING_KEYS",
        _sealing_keys,
        None,
        "Fernet keys that seal provider keys, newest first, separated by commas",
        secret=True,
    ),
    BootSetting(
        "DIGEST_KEY",
        str,
        None,
        "keys digests of API keys, mailboxes, links; a new one voids them; 32 characters or more",
        secret=True,
    ),
    BootSetting(
        "DEFAULT_LANGUAGE",
        _one_of("vi-VN", "en-US"),
        "vi-VN",
        "language of a visitor who names none: `vi-VN` or `en-US`",
    ),
    BootSetting(
        "TRUSTED_PROXIES",
        _networks,
        "",
        "networks (CIDR, separated by commas) whose X-Forwarded-For is believed",
    ),
    BootSetting(
        "THREADS",
        _positive(int),
        "64",
        "threads that serve requests; all but 16 are slots for `/v1`",
    ),
    BootSetting(
        "MAX_BODY_BYTES",
        _positive(int),
        str(25 * 1024 * 1024),
        "largest request body accepted on `/v1`",
    ),
    BootSetting(
        "MAX_HEADER_BYTES",
        _positive(int),
        str(32 * 1024),
        "largest head of a request (its first line and headers)",
    ),
    BootSetting("UPSTREAM_CONNECT_S", _positive(float), "5", "seconds to connect to a provider"),
    BootSetting(
        "UPSTREAM_FIRST_CONTENT_STREAM_S",
        _positive(float),
        "120",
        "seconds until the first content of a stream",
    ),
    BootSetting(
        "UPSTREAM_FIRST_CONTENT_WHOLE_S",
        _positive(float),
        "600",
        "seconds until the first byte of an answer sent whole",
    ),
    BootSetting(
        "UPSTREAM_IDLE_S",
        _positive(float),
        "60",
        "seconds between two pieces of a provider's answer",
    ),
    BootSetting(
        "UPSTREAM_TOTAL_S",
        _positive(float),
        "900",
        "seconds for one attempt at a provider, from its start to its end",
    ),
    BootSetting(
        "DRAIN_STREAMS",
        _count,
        "64",
        "streams read on at the same time after their client left, to learn the real usage",
    ),
    BootSetting(
        "SQLITE_SYNCHRONOUS",
        _one_of("FULL", "NORMAL"),
        "FULL",
        "SQLite's durability: FULL survives a power cut, NORMAL may lose the last commits",
    ),
    BootSetting(
        "SMTP_URL",
        str,
        "",
        "`smtp://user:password@host:587`; empty: mail stays in the outbox (`flask mail list`)",
        secret=True,
    ),
    BootSetting("MAIL_FROM", str, "FlowHubLLM <no-reply@localhost>", "sender of mails"),
    BootSetting("OPERATOR_EMAIL", str, "", "where alerts are mailed; empty: they are only listed"),
    BootSetting(
        "METRICS_TOKEN",
        _metrics_token,
        "",
        "what Prometheus sends to `/metrics` as bearer token; empty: there is no `/metrics`",
        secret=True,
    ),
    BootSetting(
        "LOG_LEVEL",
        _one_of("DEBUG", "INFO", "WARNING", "ERROR"),
        "INFO",
        "least level of the log lines on standard error",
    ),
)

GENERATED: Mapping[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "SEALING_KEYS": lambda: Fernet.generate_key().decode(),
    "DIGEST_KEY": lambda: secrets.token_urlsafe(48),
}


def load(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return every boot setting by name, plus `INSTANCE_PATH` and a complete `DATABASE_URL`.

    Order: the environment, then the secrets generated in INSTANCE_DIR (development only), then the
    default. Raises `ConfigError` naming the setting and what to write.
    """
    environ = os.environ if environ is None else environ
    values = {row.name: _value(row, environ) for row in BOOT_SETTINGS}
    instance = Path(values["INSTANCE_DIR"])
    values["INSTANCE_PATH"] = instance if instance.is_absolute() else ROOT / instance
    try:
        values["INSTANCE_PATH"].mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"INSTANCE_DIR: {error}. Name a folder that can be made.") from None
    _fill_secrets(values)
    if not values["DATABASE_URL"]:
        values["DATABASE_URL"] = f"sqlite:///{values['INSTANCE_PATH'] / 'flowhub.db'}"
    if not values["BASE_URL"]:
        values["BASE_URL"] = f"http://{_reachable(values['HOST'])}:{values['PORT']}"
    values["BASE_URL"] = values["BASE_URL"].rstrip("/")
    return values


def _reachable(host: str) -> str:
    """A host as it stands in a link; what listens everywhere is reached on the machine itself."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  (compared, not listened on)
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def secret_from_environment(name: str) -> str | None:
    """A secret that a command is told to take from the variable `name`: no history has it."""
    return os.environ.get(name, "").strip() or None


def _value(row: BootSetting, environ: Mapping[str, str]) -> Any:
    text = environ.get(row.name) or row.default
    if text is None:
        return None
    try:
        return row.parse(text)
    except ValueError as error:
        shown = "its value" if row.secret else repr(text)
        raise ConfigError(
            f"{row.name}: {shown} is not valid: {error}. It means: {row.help}."
        ) from None


def _fill_secrets(values: dict[str, Any]) -> None:
    missing = [name for name in GENERATED if not values[name]]
    if missing and values["APP_ENV"] == "production":
        raise ConfigError(
            f"Production needs its own {', '.join(missing)}: set them in the environment "
            "(the README's table says what each is)."
        )
    if missing:
        kept = _kept_secrets(values["INSTANCE_PATH"] / "secrets.json")
        rows = {row.name: row for row in BOOT_SETTINGS}
        values.update({name: rows[name].parse(kept[name]) for name in missing})
    for name in ("SECRET_KEY", "DIGEST_KEY"):
        if len(values[name]) < 32:
            raise ConfigError(f"{name} is too short: write at least 32 random characters.")


def _kept_secrets(path: Path) -> dict[str, str]:
    """The secrets of this instance, made at the first start and readable by its owner only."""
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    new = {name: make() for name, make in GENERATED.items() if name not in kept}
    if new:
        kept |= new
        temporary = path.with_suffix(".new")
        with os.fdopen(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
        ) as file:
            json.dump(kept, file, indent=1)
        temporary.replace(path)
    return kept

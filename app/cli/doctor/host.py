"""Checks of the machine and the boot settings."""

import json
import os
import shutil
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import requests
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

import config
from app.cli.doctor.values import Finding, Patient, fail, ok, skip, some_of, warn
from app.core.errors import AppError
from app.core.i18n import catalogue_faults
from app.domain.accounts.emails import normalise_email

LEAST_VARIETY = 12
"""Different characters in a random secret; what a person typed has fewer."""

ONLINE_WITHIN_S = 10
LONGEST_LABEL = 63
LEAST_FREE_BYTES = 1 << 30
COMFORTABLE_BYTES = 5 << 30

# Where the bug is mended by which two connections in WAL mode could corrupt the file: from the
# first on, and in the maintained branches.
MENDED_SINCE = (3, 51, 3)
MENDED_BRANCHES = {(3, 50): 7, (3, 44): 6}

_NOT_PUBLIC = ("localhost", "local", "internal", "test", "example", "invalid", "lan", "home")
_WIDEST = {4: 8, 6: 16}


def environment(patient: Patient) -> Finding:
    if patient.is_production:
        return ok("APP_ENV is production")
    return fail("APP_ENV is development")


def secrets(patient: Patient) -> Finding:
    boot = patient.boot
    texts = {
        "SECRET_KEY": boot["SECRET_KEY"],
        "DIGEST_KEY": boot["DIGEST_KEY"],
        "SEALING_KEYS": ",".join(boot["SEALING_KEYS"]),
    }
    typed = [name for name, text in texts.items() if len(set(text)) < LEAST_VARIETY]
    if typed:
        return fail(f"{', '.join(typed)} does not look random")
    if len(set(texts.values())) < len(texts):
        return fail("one secret serves for two things")
    kept = _kept_secrets(boot["INSTANCE_PATH"] / "secrets.json")
    generated = [name for name, text in texts.items() if kept.get(name) == text]
    if generated and not patient.is_production:
        return fail(f"{', '.join(generated)} were generated for development")
    if generated:
        return warn("they lie in secrets.json of the instance folder as well")
    return ok("each is random and its own")


def file_modes(patient: Patient) -> Finding:
    if os.name != "posix":
        return skip("this system has no file modes")
    folder: Path = patient.boot["INSTANCE_PATH"]
    if folder.stat().st_mode & 0o077 == 0:
        return ok("the instance folder is open to its owner alone")
    open_secrets = [
        name
        for name in ("secrets.json", "demonstration.json")
        if (folder / name).exists() and (folder / name).stat().st_mode & 0o077
    ]
    if open_secrets:
        return fail(f"others may read {', '.join(open_secrets)}")
    database = _sqlite_path(patient)
    if database is not None and database.exists() and database.stat().st_mode & 0o007:
        return warn("every user of this machine may read the database")
    return ok("secrets and database are not open to others")


def base_url(patient: Patient) -> Finding:
    url = patient.boot["BASE_URL"]
    parts = urlsplit(url)
    if parts.scheme != "https":
        return fail(f"{url} is not https")
    if not _is_public_name(parts.hostname or ""):
        return fail(f"{parts.hostname} is not a name that others can reach")
    if not patient.is_online:
        return ok(f"{url} (not called; --online does)")
    return _call(url)


def trusted_proxies(patient: Patient) -> Finding:
    networks = [ip_network(word, strict=False) for word in patient.boot["TRUSTED_PROXIES"]]
    wide = [str(each) for each in networks if each.prefixlen < _WIDEST[each.version]]
    if wide:
        return fail(f"{', '.join(wide)} lets strangers choose the IP that they are counted under")
    if networks:
        return ok(", ".join(str(each) for each in networks))
    if _is_loopback(patient.boot["HOST"]):
        return fail("HOST is the machine itself, so a proxy stands before it and is not trusted")
    return ok("none: clients connect directly")


def database(patient: Patient) -> Finding:
    """The tables are those of this program."""
    path = _sqlite_path(patient)
    if path is not None and not path.exists():
        return fail("there is no database")
    wanted = set(ScriptDirectory(str(config.ROOT / "migrations")).get_heads())
    try:
        with patient.services.engine.connect() as connection:
            present = set(MigrationContext.configure(connection).get_current_heads())
    except OperationalError as error:
        return fail(f"it cannot be used: {error.orig}")
    if present != wanted:
        return fail(f"it is at {', '.join(sorted(present)) or 'nothing'}, not {_first(wanted)}")
    return ok(f"{patient.services.engine.dialect.name}, at {_first(wanted)}")


def sqlite(patient: Patient) -> Finding:
    if patient.services.engine.dialect.name != "sqlite":
        return skip("the database is another one")
    version = str(patient.session.scalar(select(func.sqlite_version())))
    if not _is_mended(version):
        return warn(f"SQLite {version} has the WAL-reset bug")
    if patient.boot["SQLITE_SYNCHRONOUS"] != "FULL":
        return warn("SQLITE_SYNCHRONOUS=NORMAL may lose the last commits in a power cut")
    return ok(f"SQLite {version}")


def metrics(patient: Patient) -> Finding:
    if not patient.boot["METRICS_TOKEN"]:
        return warn("METRICS_TOKEN is empty: there is no /metrics")
    return ok("METRICS_TOKEN is set")


def operator_email(patient: Patient) -> Finding:
    email = patient.boot["OPERATOR_EMAIL"]
    if not email:
        return warn("OPERATOR_EMAIL is empty: alerts are only listed")
    try:
        normalise_email(email)
    except AppError:
        return fail("OPERATOR_EMAIL is no email")
    return ok(f"alerts go to {email}")


def disk(patient: Patient) -> Finding:
    free = shutil.disk_usage(patient.boot["INSTANCE_PATH"]).free
    told = f"{free / (1 << 30):.1f} GiB free"
    if free < LEAST_FREE_BYTES:
        return fail(told)
    return warn(told) if free < COMFORTABLE_BYTES else ok(told)


def translations(patient: Patient) -> Finding:
    faults = [
        str(fault)
        for domain in ("messages", "flask_security")
        if any((config.ROOT / "translations").glob(f"*/LC_MESSAGES/{domain}.po"))
        for fault in catalogue_faults(config.ROOT / "translations", domain=domain)
    ]
    if faults:
        return warn(f"{len(faults)} texts: {some_of(faults, most=2)}")
    return ok("every text is translated")


def _kept_secrets(path: Path) -> dict[str, str]:
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _sqlite_path(patient: Patient) -> Path | None:
    url = patient.services.engine.url
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if is_file else None


def _is_mended(version: str) -> bool:
    major, minor, patch = (int(part) for part in version.split(".")[:3])
    branch = MENDED_BRANCHES.get((major, minor))
    return (major, minor, patch) >= MENDED_SINCE or (branch is not None and patch >= branch)


def _is_public_name(host: str) -> bool:
    """A name in the public tree; an IP has no certificate that browsers take."""
    try:
        ip_address(host)
    except ValueError:
        labels = host.rstrip(".").split(".")
        is_name = len(labels) > 1 and all(0 < len(label) <= LONGEST_LABEL for label in labels)
        return is_name and labels[-1] not in _NOT_PUBLIC
    return False


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _call(url: str) -> Finding:
    try:
        answer = requests.get(f"{url}/healthz", timeout=ONLINE_WITHIN_S, allow_redirects=False)
    except requests.RequestException as error:
        return fail(f"{url} does not answer ({type(error).__name__})")
    if answer.status_code != 200:
        return fail(f"{url}/healthz answers {answer.status_code}")
    return ok(f"{url} answers")


def _first(names: set[str]) -> str:
    return next(iter(sorted(names)), "nothing")

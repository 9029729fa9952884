"""What a process has one of: keys, the writer, the readers of settings and catalogue, the gateway.

Built in `create_app`; top floors reach it by `services()`, rules get what they need as arguments.
"""

from dataclasses import dataclass
from typing import Any, cast

from flask import Flask, current_app
from sqlalchemy import Engine

from app.core.client_ip import parse_networks
from app.core.crypto import Digester, Sealer
from app.core.metrics import Metrics
from app.core.ratelimit import RateLimiter, open_windows
from app.core.writer import Writer
from app.domain.channels.offers import OfferBook
from app.domain.settings.reader import SettingsReader
from app.domain.settings.revisions import RevisionWatch
from app.gateway.authentication import Keys
from app.gateway.gateway import Gateway
from app.gateway.limits import Slots
from app.gateway.measures import Measures
from app.gateway.upstream import UpstreamPool


@dataclass(frozen=True, slots=True)
class Services:
    """The process's own things. `boot` holds the boot settings by name."""

    boot: dict[str, Any]
    engine: Engine
    digester: Digester
    sealer: Sealer
    writer: Writer
    limiter: RateLimiter
    metrics: Metrics
    settings: SettingsReader
    offers: OfferBook
    gateway: Gateway


def build(boot: dict[str, Any], engine: Engine) -> Services:
    """Make them all; opens no connection and starts no thread."""
    digester = Digester(boot["DIGEST_KEY"].encode())
    sealer = Sealer(boot["SEALING_KEYS"])
    writer = Writer(engine)
    limiter = RateLimiter(open_windows(engine, redis_url=boot["REDIS_URL"]))
    metrics, measures = Metrics(), Measures()
    metrics.registry.register(measures)
    offers = OfferBook(engine, sealer=sealer, revisions=RevisionWatch(engine))
    return Services(
        boot=boot,
        engine=engine,
        digester=digester,
        sealer=sealer,
        writer=writer,
        limiter=limiter,
        metrics=metrics,
        settings=SettingsReader(engine),
        offers=offers,
        gateway=Gateway(
            boot=boot,
            engine=engine,
            digester=digester,
            writer=writer,
            offers=offers,
            keys=Keys(
                engine,
                digester=digester,
                trusted_proxies=parse_networks(boot["TRUSTED_PROXIES"]),
            ),
            slots=Slots(boot["THREADS"]),
            pool=UpstreamPool(),
            limiter=limiter,
            measures=measures,
        ),
    )


def services(app: Flask | None = None) -> Services:
    """The services of `app`, or of the app that is handling this request or command."""
    return cast(Services, (app or current_app).extensions["flowhub"])

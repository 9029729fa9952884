"""The list to go through before going live, in the order in which one would."""

from app.cli.doctor import business, host
from app.cli.doctor.values import Check

DATABASE = "database"
"""The name of the check on which every check that `needs_database` waits."""

CHECKS = (
    Check(
        "environment",
        "Production",
        host.environment,
        "Set APP_ENV=production.",
        needs_database=False,
    ),
    Check(
        "secrets",
        "Secrets",
        host.secrets,
        "Set SECRET_KEY, DIGEST_KEY and SEALING_KEYS in the environment: new ones for an empty "
        "instance (the README says how), those of secrets.json for one whose keys must go on "
        "working; then take that file away.",
        needs_database=False,
    ),
    Check(
        "files",
        "File modes",
        host.file_modes,
        "chmod 700 the folder that INSTANCE_DIR names.",
        needs_database=False,
    ),
    Check(
        "base_url",
        "Public address",
        host.base_url,
        "Set BASE_URL to the https address under which others reach this instance.",
        needs_database=False,
    ),
    Check(
        "trusted_proxies",
        "Trusted proxies",
        host.trusted_proxies,
        "Set TRUSTED_PROXIES to the networks of your own proxies and no others, such as "
        "127.0.0.1/32; else every client counts as one IP, or chooses its own.",
        needs_database=False,
    ),
    Check(
        DATABASE,
        "Database",
        host.database,
        "Run: flask --app wsgi db upgrade",
        needs_database=False,
    ),
    Check(
        "sqlite",
        "SQLite",
        host.sqlite,
        "Install a SQLite of 3.51.3 or later (pip install pysqlite3 brings one on Linux), or use "
        "PostgreSQL; leave SQLITE_SYNCHRONOUS at FULL.",
    ),
    Check(
        "disk",
        "Disk",
        host.disk,
        "Make room: a full disk stops every request.",
        needs_database=False,
    ),
    Check(
        "demonstration",
        "Demonstration",
        business.demonstration_gone,
        "End it: flask demo remove",
    ),
    Check(
        "admin",
        "Admin",
        business.admin,
        "Make one: flask users create EMAIL --role admin, then open the link; or change the "
        "password.",
    ),
    Check(
        "operator_email",
        "Alerts by mail",
        host.operator_email,
        "Set OPERATOR_EMAIL.",
        needs_database=False,
    ),
    Check(
        "mail_server",
        "Mail server",
        business.mail_server,
        "Set SMTP_URL (smtp://user:password@host:587) and MAIL_FROM.",
        needs_database=False,
    ),
    Check(
        "outbox",
        "Outbox",
        business.outbox,
        "Look: flask mail list; try: flask mail send. A first mail is sent when somebody asks "
        "for a link at /claim.",
    ),
    Check(
        "rates",
        "Currency rates",
        business.rates,
        "flask settings set rate_cny 7.2 --reason …, and rate_vnd; setting the same value again "
        "dates it anew.",
    ),
    Check(
        "provider_keys",
        "Provider keys",
        business.provider_keys,
        "Put the key that sealed them back into SEALING_KEYS, behind the new one; or enter each "
        "anew: flask channels change NAME --api-key-env …",
    ),
    Check(
        "models",
        "Models",
        business.models_sold,
        "flask catalog import --starting (or catalog add), then flask channels add …; flask "
        "catalog show ID says why a model is not sold.",
    ),
    Check(
        "below_cost",
        "Prices above cost",
        business.below_cost,
        "flask catalog show ID compares them; flask catalog price ID … sets another price.",
    ),
    Check(
        "unknown_cost",
        "Costs known",
        business.unknown_cost,
        "Without a channel's cost no margin is known, and no loss is seen: flask channels cost "
        "CHANNEL MODEL --input … --output …, or a whole list by flask catalog import --as-cost "
        "CHANNEL.",
    ),
    Check(
        "channels",
        "Channels answer",
        business.channels,
        "flask doctor --probe asks each; flask channels list shows them.",
    ),
    Check(
        "payment",
        "Payment",
        business.payment,
        "flask settings set bank_name … --reason …, then bank_account_number and "
        "bank_account_holder; or flask vouchers create.",
    ),
    Check(
        "legal",
        "Legal identity",
        business.legal_identity,
        "flask settings set legal_name … --reason …, then legal_tax_code and legal_address.",
    ),
    Check(
        "contact",
        "Contact",
        business.contact,
        "flask settings set contact_email … --reason …: mails name it to those who did not ask for "
        "them.",
    ),
    Check(
        "backup",
        "Backup",
        business.backup,
        "Today: sqlite3 instance/flowhub.db \".backup '/elsewhere/flowhub.db'\" (PostgreSQL: "
        "pg_dump), from a timer; keep the three secrets with it.",
    ),
    Check(
        "ledger",
        "Books",
        business.ledger,
        "flask ledger verify names every drift. Correct nothing before you know the cause.",
    ),
    Check(
        "alerts",
        "Alerts",
        business.alerts,
        "flask alerts list says what to do about each.",
    ),
    Check(
        "translations",
        "Translations",
        host.translations,
        "make translate refreshes the catalogues; then fill in what is empty.",
        needs_database=False,
    ),
    Check(
        "metrics",
        "Metrics",
        host.metrics,
        "Set METRICS_TOKEN to a long random text for your Prometheus.",
        needs_database=False,
    ),
)

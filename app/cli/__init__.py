"""The operator's `flask …` commands, one file a noun."""

from flask import Flask

from app.cli.alerts import alerts_commands
from app.cli.catalog import catalog_commands
from app.cli.channels import channels_commands
from app.cli.demo import demo_commands, init_command
from app.cli.doctor import doctor_command
from app.cli.holds import holds_commands
from app.cli.keys import keys_commands
from app.cli.ledger import ledger_commands
from app.cli.mail import mail_commands
from app.cli.partners import partners_commands
from app.cli.requests import requests_commands
from app.cli.settings import settings_commands
from app.cli.users import users_commands
from app.cli.vouchers import vouchers_commands
from app.cli.wallet import wallet_commands

COMMANDS = (
    alerts_commands,
    catalog_commands,
    channels_commands,
    demo_commands,
    doctor_command,
    holds_commands,
    init_command,
    keys_commands,
    ledger_commands,
    mail_commands,
    partners_commands,
    requests_commands,
    settings_commands,
    users_commands,
    vouchers_commands,
    wallet_commands,
)


def bind_commands(app: Flask) -> None:
    for command in COMMANDS:
        app.cli.add_command(command)

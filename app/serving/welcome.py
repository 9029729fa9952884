"""What `make run` shows: where the product is, and two calls that work as pasted."""

from typing import Any

from app.cli.demonstration import Demonstration

# Lines that are pasted into a shell stay whole, however long.
WITH_DEMONSTRATION = """
FlowHubLLM runs on {address}

  Sign in        {public}/login
                 {admin_email}  {admin_password}
  Partner id     {inviter_id}

Register a user, as a partner's product does:

  curl -s {address}/api/auth/register -H 'Content-Type: application/json' \\
    -d '{{"email": "user@example.com", "inviter_id": {inviter_id}, "key_name": "goodhr"}}'

Call a model (a sandbox answers; holds, prices and books are real, the money is play money):

  curl -s {address}/v1/chat/completions -H 'Content-Type: application/json' \\
    -H 'Authorization: Bearer {api_key}' \\
    -d '{{"model": "gpt-4o", "messages": [{{"role": "user", "content": "{prompt}"}}]}}'

Mails are printed here. Stop with Ctrl-C.
"""
PLAIN = """
FlowHubLLM runs on {address}

  Sign in        {public}/login

Stop with Ctrl-C.
"""
PROMPT = "Write a short product introduction"

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (what is listened on is HOST)


def address_of(host: str, port: int) -> str:
    """The URL at which this machine reaches what listens on `host` and `port`."""
    host = _WILDCARDS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def welcome(boot: dict[str, Any], *, address: str, made: Demonstration | None) -> str:
    """The text for the terminal, with or without the demonstration."""
    is_default = boot["BASE_URL"] == f"http://{boot['HOST']}:{boot['PORT']}"
    public = address if is_default else boot["BASE_URL"]
    if made is None:
        return PLAIN.format(address=address, public=public)
    return WITH_DEMONSTRATION.format(
        address=address,
        public=public,
        admin_email=made.admin_email,
        admin_password=made.admin_password,
        inviter_id=made.inviter_id,
        api_key=made.api_key,
        prompt=PROMPT,
    )

"""`make run` on a new instance: what it prints is true and works as pasted."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.serving.product import Product, flask, refused, running_product

pytestmark = pytest.mark.slow

PUBLISHED_BODY = """{
  "model": "gpt-4o",
  "messages": [
    {
      "role": "user",
      "content": "Write a short product introduction"
    }
  ]
}"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running_product(tmp_path_factory.mktemp("first") / "instance") as started:
        yield started


def pasted(command: str) -> dict:
    """What a printed command answers; where there is no curl, the same request by another way."""
    if shutil.which("curl"):
        done = subprocess.run(
            ["/bin/sh", "-c", command], capture_output=True, text=True, timeout=30, check=True
        )
        return json.loads(done.stdout)
    words = shlex.split(command.replace("\\\n", " "))
    options = [words[at + 1] for at, word in enumerate(words) if word in ("-H", "-d")]
    headers = dict(option.split(": ", 1) for option in options[:-1])
    return requests.post(words[2], headers=headers, data=options[-1].encode(), timeout=30).json()


def commands(product: Product) -> list[str]:
    return re.findall(r"^  (curl .*?)\n\n", product.output, re.MULTILINE | re.DOTALL)


def test_says_where_it_is_and_who_may_come_in(product: Product):
    assert f"FlowHubLLM runs on {product.base_url}\n" in product.output
    assert product.shown(r"Sign in +(\S+)") == f"{product.base_url}/login"
    assert product.shown(r"Partner id +(\d+)") == "10001"
    assert len(commands(product)) == 2


def test_both_calls_work_as_printed(product: Product):
    register, chat = commands(product)
    registered = pasted(register)
    assert registered["code"] == 0
    assert registered["data"]["user"]["inviter_id"] == 10001
    assert registered["data"]["balance"] == "0.2"
    answered = pasted(chat)
    assert answered["object"] == "chat.completion"
    assert "Write a short product introduction" in answered["choices"][0]["message"]["content"]


def test_published_sample_works_word_for_word_with_the_registered_key(product: Product):
    registered = requests.post(
        f"{product.base_url}/api/auth/register",
        json={"email": "sample@example.com", "inviter_id": 10001, "key_name": "goodhr"},
        timeout=20,
    ).json()
    answered = requests.post(
        f"{product.base_url}/v1/chat/completions",
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Bearer {registered['data']['api_key']['key']}",
        },
        data=PUBLISHED_BODY.encode(),
        timeout=20,
    )
    assert answered.status_code == 200
    assert answered.json()["model"] == "gpt-4o"
    assert answered.json()["usage"]["total_tokens"] > 0


def test_printed_admin_signs_in(product: Product):
    email, password = product.shown(r"(admin@\S+  \S+)").split()
    with requests.Session() as browser:
        form = browser.get(f"{product.base_url}/login", timeout=20).text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
        assert token is not None
        wrong = {"email": email, "password": f"{password}x", "csrf_token": token[1]}
        refused_answer = browser.post(f"{product.base_url}/login", data=wrong, timeout=20)
        assert refused_answer.url.endswith("/login")
        answer = browser.post(
            f"{product.base_url}/login", data=wrong | {"password": password}, timeout=20
        )
    assert answer.status_code == 200
    assert answer.url == f"{product.base_url}/account/keys"


def test_claim_mail_is_printed_and_kept(product: Product):
    requests.post(
        f"{product.base_url}/api/auth/register",
        json={"email": "mailed@example.com", "inviter_id": 10001, "key_name": "goodhr"},
        timeout=20,
    )
    listed = json.loads(flask(product.folder, "mail", "list", "--json").stdout)
    assert "mailed@example.com" in {row["recipient"] for row in listed}


def test_demo_command_tells_the_running_product_and_the_printed_key(product: Product):
    told = json.loads(flask(product.folder, "demo", "--json").stdout)
    assert told["base_url"] == product.base_url
    assert told["api_key"] == product.api_key
    assert told["admin"]["password"] in product.output
    assert product.chat(told["api_key"]).status_code == 200


def test_second_process_on_the_same_database_is_refused(product: Product):
    before = (product.folder / "run.json").read_text()
    code, said = refused(product.folder)
    assert code == 1
    assert len(said.splitlines()) == 1
    assert "Another process serves" in said
    assert (product.folder / "run.json").read_text() == before
    assert product.chat().status_code == 200


def test_lock_belongs_to_the_database_and_not_to_the_folder(product: Product, tmp_path: Path):
    url = f"sqlite:///{product.folder / 'flowhub.db'}"
    code, said = refused(tmp_path / "other", DATABASE_URL=url)
    assert (code, "Another process serves" in said) == (1, True)


def test_taken_port_is_told_in_one_sentence_and_leaves_nothing(product: Product, tmp_path: Path):
    folder = tmp_path / "other"
    code, said = refused(folder, PORT=product.port)
    assert code == 1
    assert said == (
        f"Cannot listen on 127.0.0.1:{product.port} (Address already in use). "
        f"Choose another port: PORT={product.port + 1} make run\n"
    )
    assert {path.name for path in folder.iterdir()} == {"secrets.json"}


def test_impossible_places_to_listen_are_told(tmp_path: Path):
    assert refused(tmp_path / "a", PORT="99999") == (
        1,
        "PORT: 99999 is no port. Write a number from 1 to 65535.\n",
    )
    code, said = refused(tmp_path / "b", HOST="no-such-host.invalid")
    assert (code, said.count("\n"), said.startswith("Cannot listen on no-such-host")) == (
        1,
        1,
        True,
    )

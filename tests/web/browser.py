"""A browser for tests: keeps cookies, fills in the forms that a page really shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

from flask import Flask
from werkzeug.test import TestResponse


@dataclass
class Form:
    """A form as it stands in a page, with the values that it would send untouched."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """What a page shows: its answer, forms, headings, and text."""

    def __init__(self, response: TestResponse) -> None:
        super().__init__()
        self.response = response
        self.forms: list[Form] = []
        self.headings: list[str] = []
        self.links: list[str] = []
        self.labelled: set[str] = set()
        self.inputs: list[Mapping[str, str | None]] = []
        self.text = ""
        self._in_heading = False
        self.feed(response.get_data(as_text=True))

    @property
    def status(self) -> int:
        return self.response.status_code

    def form(self, action: str) -> Form:
        """The one form that posts there."""
        (found,) = (form for form in self.forms if form.action == action)
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self.forms.append(Form(attributes["action"] or "", attributes["method"] or "get"))
        elif tag == "input":
            self.inputs.append(attributes)
            self._take_value(attributes)
        elif tag == "a":
            self.links.append(attributes.get("href") or "")
        elif tag == "label":
            self.labelled.add(attributes.get("for") or "")
        elif tag == "h1":
            self._in_heading = True
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "h1":
            self._in_heading = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_heading:
            self.headings[-1] += data

    def _take_value(self, attributes: Mapping[str, str | None]) -> None:
        name = attributes.get("name")
        is_chosen = attributes.get("type") != "radio" or "checked" in attributes
        if name and is_chosen and self.forms:
            self.forms[-1].values[name] = attributes.get("value") or ""


class Browser:
    """Follows no redirect by itself. `language` is the wish that it sends."""

    def __init__(self, app: Flask, *, language: str = "en", ip: str = "203.0.113.5") -> None:
        self.client = app.test_client()
        self.headers = {"Accept-Language": language}
        self.environ = {"REMOTE_ADDR": ip}

    def get(self, path: str) -> Page:
        response = self.client.get(path, headers=self.headers, environ_overrides=self.environ)
        return Page(response)

    def post(self, path: str, values: Mapping[str, str]) -> Page:
        response = self.client.post(
            path, data=values, headers=self.headers, environ_overrides=self.environ
        )
        return Page(response)

    def submit(self, page: Page, action: str, **values: str) -> Page:
        """Send the page's form with what it holds and what is filled in."""
        form = page.form(action)
        assert form.method == "post"
        return self.post(action, form.values | values)

    def sign_in(self, email: str, password: str) -> Page:
        return self.submit(self.get("/login"), "/login", email=email, password=password)

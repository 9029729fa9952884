"""The three surfaces of the product, told apart by path alone."""

from enum import StrEnum


class Surface(StrEnum):
    """Who speaks which dialect: OpenAI clients, partners and key holders, people."""

    OPENAI = "openai"
    ENVELOPE = "envelope"
    PAGE = "page"


# Some chat clients leave the /v1 out where they ask for limit and usage (gateway/dashboard.py).
_BY_FIRST_PART = {
    "v1": Surface.OPENAI,
    "dashboard": Surface.OPENAI,
    "api": Surface.ENVELOPE,
}


def surface_of(path: str) -> Surface:
    """The surface that owns a path, whether or not there is anything at it."""
    return _BY_FIRST_PART.get(path.lstrip("/").partition("/")[0], Surface.PAGE)

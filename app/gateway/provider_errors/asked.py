"""The request that a provider refused, as far as a judgement needs it."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from app.gateway.error_texts import Names
from app.gateway.provider_errors.common_rows import OUTPUT_LIMITS

_PATH = re.compile(r"[A-Za-z_]\w{0,47}(?:\.[A-Za-z_]\w{0,47}|\.\d{1,6}|\[\d{1,6}\]){0,8}", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """`members` are the top-level names that the client sent, `body` its bytes; `names` say what
    must not be told of the channel."""

    members: Collection[str]
    body: bytes
    names: Names

    def shown_param(self, param: str) -> str | None:
        """The member that a provider blames, in the client's own words: every name in it stands in
        the client's request. None for anything else, so that no text of the provider's passes."""
        if not _PATH.fullmatch(param):
            return None
        root = self._as_sent(_NAME.findall(param)[0])
        path = root + param[len(_NAME.findall(param)[0]) :]
        names = _NAME.findall(path)
        if root not in self.members or not all(self._holds(name) for name in names):
            return None
        return path

    def sent_any(self, names: Collection[str]) -> bool:
        """Whether the client itself sent one of these members."""
        return any(self._as_sent(name) in self.members for name in names)

    def _as_sent(self, name: str) -> str:
        """A client may send the output limit under the other of its two names."""
        if name in OUTPUT_LIMITS and name not in self.members:
            return next((other for other in OUTPUT_LIMITS if other in self.members), name)
        return name

    def _holds(self, name: str) -> bool:
        return b'"' + name.encode() + b'"' in self.body

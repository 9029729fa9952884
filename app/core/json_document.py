"""A JSON object kept as the bytes that came, editable one member at a time.

`strict_json.read_members` makes it; this module only cuts and joins.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Span = tuple[int, int, int]
"""Byte offsets of a member: its name's opening quote, its value's first byte, its value's end."""

Patch = tuple[int, int, bytes]
"""From where to where in the body stands what is to be written instead."""


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object whose top-level members are known by value and by place in `body`."""

    body: bytes
    _values: dict[str, Any]
    _spans: dict[str, Span]
    _first_at: int
    """Where a first member would go: right behind the opening brace."""

    @property
    def names(self) -> tuple[str, ...]:
        """The members' names, unescaped, in the order of the body."""
        return tuple(self._values)

    @property
    def members(self) -> Mapping[str, Any]:
        """Every member's decoded value by its name."""
        return self._values

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def get(self, name: str, default: Any = None) -> Any:
        """The member's decoded value. Its strings may hold lone surrogates."""
        return self._values.get(name, default)

    def value_bytes(self, name: str) -> bytes:
        """The member's value as it stands in the body. Raises KeyError where there is none."""
        _, value_at, end = self._spans[name]
        return self.body[value_at:end]

    def edited(self, replace: Mapping[str, bytes], cut: Collection[str] = ()) -> bytes:
        """The body with some members replaced, added or cut, every other byte as it was.

        `replace` maps names to JSON text: a known member's value is swapped in place, a new member
        goes behind the last. `cut` takes a member out together with one comma; a name that is not
        there is ignored. A name in both is a mistake of ours, hence ValueError.
        """
        if not replace.keys().isdisjoint(cut):
            raise ValueError("a member cannot be replaced and cut at once")
        patches = self._patches(replace, cut)
        return _patched(self.body, patches) if patches else self.body

    def _patches(self, replace: Mapping[str, bytes], cut: Collection[str]) -> list[Patch]:
        """In the order of the body."""
        patches: list[Patch] = []
        spans = list(self._spans.values())
        is_first = True
        for index, (name, (start, value_at, end)) in enumerate(self._spans.items()):
            if name not in cut:
                is_first = False
                if name in replace:
                    patches.append((value_at, end, replace[name]))
            elif not is_first:
                # Something stays before it, so it takes the comma before it along.
                patches.append((spans[index - 1][2], end, b""))
            else:
                # Nothing stays before it, so it takes the comma behind it, if there is one.
                next_start = spans[index + 1][0] if index + 1 < len(spans) else end
                patches.append((start, next_start, b""))
        added = _new_members(replace, self._values)
        if added:
            at = spans[-1][2] if spans else self._first_at
            patches.append((at, at, added if is_first else b"," + added))
        return patches


def _new_members(replace: Mapping[str, bytes], known: Collection[str]) -> bytes:
    return b",".join(
        json.dumps(name).encode() + b":" + value
        for name, value in replace.items()
        if name not in known
    )


def _patched(body: bytes, patches: Iterable[Patch]) -> bytes:
    """Join what stays and what is new; what stays is copied once."""
    view = memoryview(body)
    pieces: list[bytes | memoryview] = []
    at = 0
    for start, end, written in patches:
        pieces += (view[at:start], written)
        at = end
    pieces.append(view[at:])
    return b"".join(pieces)

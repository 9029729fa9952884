"""Misbehaviours of the connection: silence, hanging up, odd cuts, compression, framing."""

import zlib
from collections.abc import Iterator
from dataclasses import replace

from app.sandbox.bad_frames import map_frames, with_wide_characters
from app.sandbox.draft import Chunk, Draft, Event, Framing, Hangup, Pause, Recode, insert
from app.sandbox.wish import Wish

DRIP_DELAY_S = 0.002
SPLIT_DELAY_S = 0.01
RECUT_SIZE_BYTES = 7
BOMB_SIZE_BYTES = 100_000_000
PIECE_SIZE_BYTES = 65_536
GZIP_WINDOW_BITS = 31


def stall(draft: Draft, wish: Wish) -> Draft:
    return _interrupt(draft, after=wish.after, by=Pause(wish.seconds))


def hang_up(draft: Draft, wish: Wish) -> Draft:
    return _interrupt(draft, after=wish.after, by=Hangup())


def never_answer(draft: Draft, wish: Wish) -> Draft:
    return replace(draft, events=(Pause(wish.seconds), Hangup()))


def linger(draft: Draft, wish: Wish) -> Draft:
    def stay(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        yield from chunks
        yield Pause(wish.seconds)

    return _recoded(draft, stay)


def drip(draft: Draft, wish: Wish) -> Draft:
    return _recoded(draft, _cutter(1, wish.delay_s or DRIP_DELAY_S))


def recut(draft: Draft, wish: Wish) -> Draft:
    return _recoded(draft, _cutter(wish.size_bytes or RECUT_SIZE_BYTES, wish.delay_s))


def split_character(draft: Draft, wish: Wish) -> Draft:
    def split(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            place = _first_wide_byte(chunk) if isinstance(chunk, bytes) else -1
            if not isinstance(chunk, bytes) or place < 0:
                yield chunk
                continue
            yield chunk[: place + 1]
            yield Pause(wish.delay_s or SPLIT_DELAY_S)
            yield chunk[place + 1 :]

    return _recoded(map_frames(draft, with_wide_characters), split)


def compress(draft: Draft, _wish: Wish) -> Draft:
    """Every write is flushed, so that frames still arrive one by one."""
    gzipped = _recoded(draft, _gzipper(flush=zlib.Z_SYNC_FLUSH))
    return replace(gzipped, headers=(*draft.headers, ("Content-Encoding", "gzip")))


def bomb(draft: Draft, wish: Wish) -> Draft:
    """The body (or the one line of the stream) is blanks, compressed a thousandfold."""
    size_bytes = wish.size_bytes or BOMB_SIZE_BYTES
    blanks = b" " * PIECE_SIZE_BYTES
    start: tuple[Event, ...] = (b"data: ",) if draft.is_stream else ()
    pieces: tuple[Event, ...] = (blanks,) * -(-size_bytes // PIECE_SIZE_BYTES)
    bombed = _recoded(draft, _gzipper(flush=zlib.Z_NO_FLUSH))
    headers = (*draft.headers, ("Content-Encoding", "gzip"))
    return replace(bombed, events=(*start, *pieces), headers=headers)


def no_content_length(draft: Draft, wish: Wish) -> Draft:
    framing = Framing.CLOSE if wish.variant == "close" else Framing.CHUNKED
    return replace(draft, framing=framing)


def wrong_content_type(draft: Draft, _wish: Wish) -> Draft:
    return replace(draft, content_type="text/html; charset=utf-8")


def _interrupt(draft: Draft, *, after: int, by: Pause | Hangup) -> Draft:
    """`by` behind the `after`-th content frame, or half-way through a body that is not streamed."""
    if draft.is_stream:
        return replace(draft, events=insert(draft.events, after=after, extra=(by,)))
    if after == 0:
        return replace(draft, events=(by, *draft.events))

    def halve(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            if not isinstance(chunk, bytes):
                yield chunk
                continue
            yield chunk[: len(chunk) // 2]
            yield by
            yield chunk[len(chunk) // 2 :]

    return _recoded(draft, halve)


def _recoded(draft: Draft, recode: Recode) -> Draft:
    """The draft with one more recoding behind those it has."""
    before = draft.recode
    return replace(draft, recode=lambda chunks: recode(before(chunks)))


def _cutter(size_bytes: int, delay_s: float) -> Recode:
    """Cuts the bytes into writes of one size, across frames, with a pause before each."""

    def cut(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        waiting = b""
        for chunk in chunks:
            if not isinstance(chunk, bytes):
                yield from _pieces(waiting, size_bytes, delay_s)
                waiting = b""
                yield chunk
                continue
            waiting += chunk
            whole = len(waiting) // size_bytes * size_bytes
            yield from _pieces(waiting[:whole], size_bytes, delay_s)
            waiting = waiting[whole:]
        yield from _pieces(waiting, size_bytes, delay_s)

    return cut


def _pieces(data: bytes, size_bytes: int, delay_s: float) -> Iterator[Chunk]:
    for start in range(0, len(data), size_bytes):
        if delay_s:
            yield Pause(delay_s)
        yield data[start : start + size_bytes]


def _gzipper(*, flush: int) -> Recode:
    def gzip(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        compressor = zlib.compressobj(wbits=GZIP_WINDOW_BITS)
        for chunk in chunks:
            if not isinstance(chunk, bytes):
                yield chunk
                continue
            yield compressor.compress(chunk) + (compressor.flush(flush) if flush else b"")
        yield compressor.flush()

    return gzip


def _first_wide_byte(chunk: bytes) -> int:
    """Where the first character of several bytes begins; -1 where all are ASCII."""
    return next((place for place, byte in enumerate(chunk) if byte >= 0xC0), -1)

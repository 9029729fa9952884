"""What the relay costs a frame: `python -m bench.stream_frames`.

Frames of about 200 bytes as OpenAI sends them, one and ten per read, and what a chunk may ask for.
The target is 3 µs a frame.
"""

import json
import time

from app.gateway.stream import Relay, RelayRules

FRAMES = 20_000
ROUNDS = 5


def main() -> None:
    plain = _frame({})
    with_usage = _frame({"usage": None})
    crlf = plain.replace(b"\n", b"\r\n")
    edited = RelayRules(sold_model="sold-name", cut_member="provider")
    rows = [
        ("as they come", plain, RelayRules(), 0),
        ('with "usage":null', with_usage, RelayRules(), 0),
        ("CRLF", crlf, RelayRules(), 0),
        ("model replaced, provider cut", plain, edited, 0),
        ("cut in mid-frame", plain, RelayRules(), 70),
    ]
    title = f"µs a frame of {len(plain)} bytes"
    print(f"{title:32}{'1 a read':>10}{'10 a read':>11}")
    for label, frame, rules, shift in rows:
        figures = [_microseconds_a_frame(frame, rules, per_read, shift) for per_read in (1, 10)]
        print(f"{label:32}{figures[0]:10.2f}{figures[1]:11.2f}")


def _frame(more: dict[str, object]) -> bytes:
    chunk = {
        "id": "chatcmpl-BkQm3yX1f9aTz",
        "provider": "X",
        "object": "chat.completion.chunk",
        "created": 1750000000,
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "delta": {"content": " word"}, "finish_reason": None}],
        **more,
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def _microseconds_a_frame(frame: bytes, rules: RelayRules, per_read: int, shift: int) -> float:
    read = frame[shift:] + frame * (per_read - 1) + frame[:shift]
    return min(_round(frame, read, rules, per_read, shift) for _ in range(ROUNDS))


def _round(frame: bytes, read: bytes, rules: RelayRules, per_read: int, shift: int) -> float:
    relay = Relay(rules)
    relay.feed(frame + frame[:shift])
    feed = relay.feed
    started = time.perf_counter()
    for _ in range(FRAMES // per_read):
        feed(read)
    return (time.perf_counter() - started) / FRAMES * 1e6


if __name__ == "__main__":
    main()

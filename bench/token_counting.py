"""Speed, memory and honesty of local token counting; prints the tables the docs quote.

Run: python -m bench.token_counting
"""

import sys
import time
from pathlib import Path

from app.domain.billing import bound, content_parts, tokens

REPEATS = 200

VIETNAMESE = (
    "Hóa đơn tháng này đã được gửi tới hộp thư của bạn. Nếu số tiền không khớp với sao kê, hãy "
    "liên hệ bộ phận hỗ trợ trước ngày mười lăm; chúng tôi sẽ kiểm tra từng giao dịch và hoàn lại "
    "phần thu thừa trong vòng ba ngày làm việc.\n"
)
ENGLISH = (
    "This month's invoice has been sent to your mailbox. If the amount does not match your "
    "statement, contact support before the fifteenth; we will check every transaction and return "
    "what was overcharged within three working days.\n"
)
CHINESE = (
    "本月的账单已发送到您的邮箱。如果金额与对账单不符，请在十五日之前联系客服，我们会逐笔核对。\n"
)


def samples() -> dict[str, str]:
    """Prose in three languages, and two of our own files as code."""
    return {
        "Vietnamese": VIETNAMESE * 14,
        "English": ENGLISH * 17,
        "Chinese": CHINESE * 30,
        "Python": "".join(
            Path(module.__file__ or "").read_text(encoding="utf-8")
            for module in (bound, content_parts)
        )[:8_000],
    }


def print_load() -> None:
    """What the first count costs; import of the package and of the vocabulary together."""
    before_mb, started_s = resident_mb(), time.perf_counter()
    tokens.count_text("x")
    spent_ms = (time.perf_counter() - started_s) * 1000
    print(f"first count: {spent_ms:.0f} ms, {resident_mb() - before_mb:.0f} MB stay\n")
    if not tokens.has_vocabulary():
        sys.exit("rs-bpe is not installed: nothing to measure.")


def print_counts() -> None:
    """o200k against cl100k: how far two vocabularies of one vendor differ by language."""
    from rs_bpe.bpe import openai

    older = openai.cl100k_base()
    print(f"{'text':<12}{'bytes':>7}{'o200k':>7}{'cl100k':>8}{'ratio':>7}{'B/token':>9}{'MB/s':>7}")
    for name, text in samples().items():
        size_bytes = len(text.encode())
        count = tokens.count_text(text)
        ratio = older.count(text) / count
        speed = size_bytes / 1e6 / seconds_of_count(text)
        print(
            f"{name:<12}{size_bytes:>7}{count:>7}{older.count(text):>8}{ratio:>7.2f}"
            f"{size_bytes / count:>9.2f}{speed:>7.0f}"
        )


def print_large() -> None:
    """A body of 8 MB: cutting adds little, memory stays, no piece holds the interpreter long."""
    text = ENGLISH * (8_000_000 // len(ENGLISH))
    before_mb, started_s = resident_mb(), time.perf_counter()
    count = tokens.count_text(text)
    spent_s = time.perf_counter() - started_s
    grown_mb = resident_mb() - before_mb
    piece = text[: tokens.PIECE_BYTES_MAX]
    print(f"\n8 MB of English: {count:,} tokens in {spent_s * 1000:.0f} ms, +{grown_mb:.1f} MB")
    print(
        f"one piece of 4 KiB: {seconds_of_count(piece) * 1e6:.0f} µs under the interpreter's lock"
    )


def seconds_of_count(text: str) -> float:
    started_s = time.perf_counter()
    for _ in range(REPEATS):
        tokens.count_text(text)
    return (time.perf_counter() - started_s) / REPEATS


def resident_mb() -> float:
    """Resident memory now, from the kernel; Linux only."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    print_load()
    print_counts()
    print_large()

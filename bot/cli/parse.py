"""Words on the command line become values, or one line that says what was expected (exit 2)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import typer

from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S

_UNITS_NS = {"s": NS_PER_S, "m": NS_PER_MINUTE, "h": NS_PER_HOUR, "d": NS_PER_DAY, "w": 7 * NS_PER_DAY}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEEDS_MAX = 1_000_000


def duration_ns(text: str) -> int:
    """Nanoseconds of a span such as `30d`, `12h`, `1d12h`, `90m`, `45s`, `2w`."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhdw])", text.strip().lower())
    total = sum((Decimal(number) * _UNITS_NS[unit] for number, unit in parts), Decimal(0))
    if "".join(number + unit for number, unit in parts) != text.strip().lower() or total <= 0:
        raise typer.BadParameter(f"{text!r} is no duration; write 30d, 12h, 90m, 45s or 1d12h")
    return int(total)


def instant_ns(text: str) -> int:
    """Nanoseconds since 1970 of a UTC date or instant: `2024-03-01`, `2024-03-01T08:00`, `...Z`."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date; write 2024-03-01 or 2024-03-01T08:00 (UTC)") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    span = moment - _EPOCH
    at_ns = (span.days * 86_400 + span.seconds) * NS_PER_S + span.microseconds * 1_000
    if at_ns < 0:
        raise typer.BadParameter(f"{text!r} lies before 1970")
    return at_ns


def seed_range(text: str) -> tuple[int, int]:
    """First and last seed of `7` or `0..49`, both included."""
    match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no range of seeds; write 7 or 0..49")
    first = int(match[1])
    last = int(match[2]) if match[2] is not None else first
    if last < first or last - first >= SEEDS_MAX:
        raise typer.BadParameter(f"{text!r}: the last seed must not come before the first, {SEEDS_MAX} at most")
    return first, last


def amount_usd(text: str) -> str:
    """A positive amount of money as a plain decimal string: `3500`, `100_000`, `2500.50`."""
    try:
        amount = Decimal(text.strip().replace(",", "").replace("_", ""))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0:
        raise typer.BadParameter(f"{text!r} is no amount of USD; write 100000 or 2500.50")
    if amount != round(amount, 2):
        raise typer.BadParameter(f"{text!r}: whole cents, please")
    return f"{amount:f}"


def speed_factor(text: str) -> float:
    """Simulated seconds per real second: `600`, `0.5`, or `max` for as fast as it goes."""
    if text.strip().lower() in ("max", "inf"):
        return float("inf")
    try:
        speed = float(text)
    except ValueError:
        speed = float("nan")
    if not 0 < speed < float("inf"):
        raise typer.BadParameter(f"{text!r} is no speed; write a number above 0 such as 600, or max")
    return speed


def word_list(text: str | None) -> tuple[str, ...]:
    """The words of `binance,bybit`, lower case, none twice."""
    if text is None:
        return ()
    words = tuple(word.strip().lower() for word in text.split(","))
    if not all(re.fullmatch(r"[a-z0-9_-]+", word) for word in words) or len(set(words)) != len(words):
        raise typer.BadParameter(f"{text!r} is no list; write names with commas between them, each once: binance,bybit")
    return words


def coin_list(text: str | None) -> tuple[str, ...]:
    """The base coins of `BTC,eth`, upper case, none twice."""
    if text is not None and "/" in text:
        raise typer.BadParameter(f"{text!r}: symbols are base coins; write BTC,ETH")
    return tuple(word.upper() for word in word_list(text))


def account_name(text: str | None) -> str | None:
    """A name that can be a folder: letters, digits, dot, dash and underscore, 64 at most."""
    if text is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", text):
        raise typer.BadParameter(f"{text!r} is no account name; use letters, digits, dashes and underscores")
    return text

"""Numbers as people read them: money, percentages, durations and instants, the same on every surface.

A missing number is a dash, never a zero; a zero has no sign.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal

from bot.domain.values import NS_PER_S

DASH = "-"


def usd(amount: str | Decimal | None, *, signed: bool = False, places: int = 2) -> str:
    """Money with thousands separators: `101,842.10`, signed `+88.41`."""
    if amount is None or amount == "":
        return DASH
    return _grouped(Decimal(amount), signed, places)


def number(value: float | None, *, signed: bool = False, places: int = 2) -> str:
    """A plain number with thousands separators."""
    if value is None or not math.isfinite(value):
        return DASH
    return _grouped(Decimal(repr(float(value))), signed, places)


def pct(value: float | None, *, signed: bool = False, places: int = 2) -> str:
    """A number that already is in per cent: `1.84%`."""
    text = number(value, signed=signed, places=places)
    return text if text == DASH else f"{text}%"


def share(value: float | None) -> str:
    """A fraction as whole per cent: 0.62 is `62%`."""
    return pct(None if value is None else 100.0 * value, places=0)


def base_quantity(amount: str) -> str:
    """A base quantity without trailing zeros, at most eight significant places: `0.41`, `-118`."""
    value = Decimal(amount)
    text = f"{value:,.8f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def duration(seconds: float | None) -> str:
    """A length of time in its two largest units: `41s`, `12m 05s`, `3h 20m`, `3d 04h`."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3_600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3_600}h {whole % 3_600 // 60:02d}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3_600:02d}h"


def countdown(from_ns: int, to_ns: int | None) -> str:
    """Time left until an instant, `0:14:05`; `due` once it has passed, a dash when there is none."""
    if to_ns is None:
        return DASH
    left = (to_ns - from_ns) // NS_PER_S
    return f"{left // 3_600}:{left % 3_600 // 60:02d}:{left % 60:02d}" if left > 0 else "due"


def instant(at_ns: int | None) -> str:
    """An instant in UTC to the second: `2024-03-01 12:00:05`."""
    return DASH if at_ns is None else _utc(at_ns).strftime("%Y-%m-%d %H:%M:%S")


def clock(at_ns: int | None) -> str:
    """The time of day in UTC: `12:00:05`."""
    return DASH if at_ns is None else _utc(at_ns).strftime("%H:%M:%S")


def iso(at_ns: int) -> str:
    """An instant for machines: `2024-03-01T12:00:05Z`, whole seconds."""
    return _utc(at_ns).strftime("%Y-%m-%dT%H:%M:%SZ")


def year_of(at_ns: int) -> int:
    """The UTC year of an instant."""
    return _utc(at_ns).year


def month_of(at_ns: int) -> str:
    """The UTC month of an instant: `2024-03`."""
    return _utc(at_ns).strftime("%Y-%m")


def words(name: str) -> str:
    """A reason or event name as words: `carry_below_costs` reads `carry below costs`."""
    return name.replace("_", " ")


def _grouped(value: Decimal, signed: bool, places: int) -> str:
    """Fixed places, thousands separators, no negative zero."""
    text = f"{value:{'+' if signed else ''},.{places}f}"
    return text.lstrip("+-") if not any(digit in "123456789" for digit in text) else text


def _utc(at_ns: int) -> datetime:
    """An instant to whole seconds."""
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC)

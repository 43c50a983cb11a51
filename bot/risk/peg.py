"""A quote currency off its peg (F44): beyond a first distance nothing is opened in it, beyond a second all leaves.

All collateral and all cash are in such a currency, so its loss is a loss of equity that no pair hedges. Two pairs of
eyes: the source nearest to the peg counts, and it must say so twice, some time apart.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.values import NS_PER_S, Nanos


class PegParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a stablecoin may be from a dollar."""

    block_pct: float = 0.5
    """So far from a dollar, above or below, nothing is opened where it is the quote currency, and equity in it counts
    at its price."""
    close_pct: float = 3.0
    """So far below, pairs with a leg quoted in it are closed, slice by slice."""
    confirm_s: float = 60.0
    """Either acts on two samples at least this far apart."""
    calm_s: float = 3600.0
    """Opens come back once it has been within half of `block_pct` for so long."""
    age_s_max: float = 900.0
    """A price older than this is none: where there has been one, nothing is opened until there is again."""

    def __post_init__(self) -> None:
        """Caps in code."""
        if not 0.1 <= self.block_pct < self.close_pct <= 20:
            raise ValueError("0.1 <= block_pct < close_pct <= 20 must hold")
        if not (0 <= self.confirm_s <= 3600 and 0 <= self.calm_s <= 86_400):
            raise ValueError("confirm_s must be within 0..3600 and calm_s within 0..86400")
        if not 60 <= self.age_s_max <= 86_400:
            raise ValueError("age_s_max must be within 60..86400")


class PegGuard(msgspec.Struct):
    """One currency. Part of the engine's snapshot."""

    off_since_ns: Nanos | None = None
    """Since when every sample was beyond `block_pct`."""
    far_since_ns: Nanos | None = None
    calm_since_ns: Nanos | None = None
    """Blocked, and within half of `block_pct` since."""
    blocked: bool = False
    closing: bool = False
    unknown: bool = False
    """There was a price, and it has grown old."""


def observe(guard: PegGuard, price: Decimal, now_ns: Nanos, params: PegParams) -> None:
    """One sample of the price in dollars."""
    off, block = 100 * (price - 1), Decimal(repr(params.block_pct))
    guard.off_since_ns = _since(guard.off_since_ns, abs(off) >= block, now_ns)
    guard.far_since_ns = _since(guard.far_since_ns, -off >= Decimal(repr(params.close_pct)), now_ns)
    near = guard.blocked and 2 * abs(off) <= block
    guard.calm_since_ns = _since(guard.calm_since_ns, near, now_ns)
    confirm_ns, calm_ns = int(params.confirm_s * NS_PER_S), int(params.calm_s * NS_PER_S)
    if guard.off_since_ns is not None and now_ns - guard.off_since_ns >= confirm_ns:
        guard.blocked = True
    if guard.far_since_ns is not None and now_ns - guard.far_since_ns >= confirm_ns:
        guard.closing = True
    if guard.calm_since_ns is not None and now_ns - guard.calm_since_ns >= calm_ns:
        guard.blocked = guard.closing = False
        guard.calm_since_ns = None


def _since(since_ns: Nanos | None, holds: bool, now_ns: Nanos) -> Nanos | None:
    if not holds:
        return None
    return now_ns if since_ns is None else since_ns

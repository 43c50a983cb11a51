"""The hedge's own memory: what it may hold of each instrument, how it gets there, and what was last found."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.values import ZERO, InstrumentId, Nanos
from bot.portfolio.pairs import Parent


class HedgeLeg(msgspec.Struct):
    """One perpetual of the hedge, and everything that must survive a restart about it."""

    instrument: InstrumentId
    target_base: Decimal = ZERO
    """Signed: what it may hold. More than this is closed whenever it is seen, also what fills late."""
    parent: Parent | None = None
    waiting_transfer: str = ""
    """Collateral on its way: nothing opens before it is there."""
    tries: int = 0
    """Closing orders in a row: the collar widens with each."""
    fruitless: int = 0
    """Orders in a row that filled nothing: each waits longer than the one before."""
    next_try_ns: Nanos = Nanos(0)


class HedgeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one decision found of the book's beta and wanted of the hedge. Rounded: last bits tell machines apart."""

    at_ns: Nanos
    target_beta: float
    band: float
    """The half-width used."""
    exposure_usd: float | None
    """Sum of beta times notional over everything but the hedge; None: a beta or a price is not known."""
    beta_before: float | None
    """Of the whole book per unit of equity, the hedge as held."""
    beta_after: float | None
    """With the hedge as wanted."""
    instrument: InstrumentId | None
    held_usd: float
    """Signed notional of the hedge."""
    wanted_usd: float
    reason: str
    """As `strategy.hedge.Hedge.reason`; or `in_motion`, `halted`, `reduce_only`, `unavailable`, `nothing_to_hedge`, or
    the limit of the governor or the cap that made it smaller."""
    cap: str = ""
    """The name of the cap that bound a `capped` hedge: `notional_share_max`, `depth`, `collateral`, or an account's."""
    cap_usd: float | None = None
    """What it allowed."""

    @property
    def inside(self) -> bool | None:
        """Whether the beta as wanted stands within its band; None: not known."""
        return None if self.beta_after is None else abs(self.beta_after - self.target_beta) <= self.band + 1e-6


class HedgeState(msgspec.Struct):
    """All of it."""

    legs: dict[InstrumentId, HedgeLeg] = {}
    """Those that hold or trade something."""
    wakes: dict[InstrumentId, Nanos] = {}
    last: HedgeRecord | None = None

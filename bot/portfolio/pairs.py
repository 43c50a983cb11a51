"""A pair is one thing: two legs, one durable state, one lot grid, one clock for what is unhedged."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

import msgspec

from bot.domain.values import Coin, InstrumentId, Nanos, Owner


class PairState(Enum):
    """Where a pair stands. It is never "failed": what is exposed is UNWINDING until it is whole or flat."""

    OPENING = "opening"
    HEDGED = "hedged"
    REBALANCING = "rebalancing"
    CLOSING = "closing"
    UNWINDING = "unwinding"
    FLAT = "flat"


class Slice(msgspec.Struct, frozen=True, array_like=True):
    """One step of a TWAP: by `due_ns` the pair may hold `cumulative_base` of each leg."""

    due_ns: Nanos
    cumulative_base: Decimal


class Parent(msgspec.Struct):
    """A running execution that takes a pair from one hedged size to another, slice by slice."""

    parent_id: str
    kind: str
    """open, resize or close."""
    start_base: Decimal
    target_base: Decimal
    slices: tuple[Slice, ...]
    next_slice: int
    deadline_ns: Nanos
    urgent: bool
    """Slices are not spaced and the collar widens quickly: kill, liquidation of the other leg, margin."""
    reason: str
    making_since_ns: Nanos | None = None
    """Since when the running slice is worked as maker; None: it is not."""

    @property
    def opening(self) -> bool:
        """Whether the parent makes the pair larger."""
        return self.target_base > self.start_base


class Pair(msgspec.Struct):
    """One pair and everything that must survive a restart about it."""

    pair_id: Owner
    coin: Coin
    long_leg: InstrumentId
    short_leg: InstrumentId
    step_base: Decimal
    """The joint grid: the coarser lot step of the two legs."""
    state: PairState
    target_base: Decimal
    created_ns: Nanos
    forecast_usd: float
    """Expected funding over the horizon at entry, on the planned notional."""
    notional_usd: Decimal
    """Planned notional of one leg at entry."""
    parent: Parent | None = None
    waiting_transfers: tuple[str, ...] = ()
    opened_ns: Nanos | None = None
    closed_ns: Nanos | None = None
    reported: bool = False
    """Its closing has been told; told again after a late fill, it counts once."""
    unhedged_since_ns: Nanos | None = None
    """R9's clock: the instant of the fill that broke the tolerance; None while whole."""
    tries: int = 0
    """Crossing tries of the running hedge or trim."""
    next_try_ns: Nanos = Nanos(0)
    fruitless: int = 0
    """Orders in a row that filled nothing: each waits longer than the one before."""
    paged_ns: Nanos | None = None
    cut_ns: Nanos | None = None
    """When it was last made smaller; None once it has been grown again."""
    exit_reason: str = ""
    peak_base: Decimal = Decimal(0)
    unhedged_peak_usd: Decimal = Decimal(0)
    """Largest notional of the running imbalance."""

    @property
    def legs(self) -> tuple[InstrumentId, InstrumentId]:
        """Long leg, short leg."""
        return (self.long_leg, self.short_leg)

    @property
    def live(self) -> bool:
        """Whether the pair may still hold or trade anything."""
        return self.state is not PairState.FLAT

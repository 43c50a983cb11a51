"""Three modes, stacked reasons: RUN, REDUCE_ONLY, HALTED. A mode is lifted only when its last reason is."""

from __future__ import annotations

from enum import Enum

import msgspec

from bot.domain.values import InstrumentId, Nanos, Venue


class Mode(Enum):
    """What may be sent."""

    RUN = "RUN"
    REDUCE_ONLY = "REDUCE_ONLY"
    """Cancels, and orders that bring a quantity nearer zero without crossing it."""
    HALTED = "HALTED"
    """The kill switch: cancels, and what it ordered."""


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """Why a mode holds, since when, and what lifts it."""

    name: str
    since_ns: Nanos
    text: str
    lifted_by: str


class ModeState(msgspec.Struct):
    """All reasons that hold now, for the account, per venue and per instrument."""

    halted: dict[str, Reason] = {}
    reduce_only: dict[str, Reason] = {}
    venues_halted: dict[Venue, dict[str, Reason]] = {}
    """Venues at which nothing can be done until a person acts."""
    venues: dict[Venue, dict[str, Reason]] = {}
    instruments: dict[InstrumentId, dict[str, Reason]] = {}

    def mode(self) -> Mode:
        """The account's mode."""
        if self.halted:
            return Mode.HALTED
        return Mode.REDUCE_ONLY if self.reduce_only else Mode.RUN

    def reasons(self) -> tuple[Reason, ...]:
        """Reasons of the account's mode, HALTED's first."""
        return (*self.halted.values(), *self.reduce_only.values())

    def halt_venue(self, venue: Venue, reason: Reason) -> bool:
        """HALTED at one venue; True if this reason is new."""
        return _add(self.venues_halted.setdefault(venue, {}), reason)

    def venue_mode(self, venue: Venue) -> Mode:
        """The mode at one venue, the account's own included."""
        mode = self.mode()
        if mode is Mode.HALTED or self.venues_halted.get(venue):
            return Mode.HALTED
        return Mode.REDUCE_ONLY if mode is Mode.REDUCE_ONLY or self.venues.get(venue) else Mode.RUN

    def instrument_mode(self, venue: Venue, instrument: InstrumentId) -> Mode:
        """The mode of one instrument, its venue's included."""
        mode = self.venue_mode(venue)
        return Mode.REDUCE_ONLY if mode is Mode.RUN and self.instruments.get(instrument) else mode

    def block_venue(self, venue: Venue, reason: Reason) -> bool:
        """Block opens at a venue; True if this reason is new."""
        return _add(self.venues.setdefault(venue, {}), reason)

    def block_instrument(self, instrument: InstrumentId, reason: Reason) -> bool:
        """Block opens of an instrument; True if this reason is new."""
        return _add(self.instruments.setdefault(instrument, {}), reason)

    def halt(self, reason: Reason) -> bool:
        """HALTED with this reason; True if new."""
        return _add(self.halted, reason)

    def reduce(self, reason: Reason) -> bool:
        """REDUCE_ONLY with this reason; True if new."""
        return _add(self.reduce_only, reason)

    def lift(self, name: str) -> bool:
        """Take a reason of the account's mode away; True if it held."""
        held = self.halted.pop(name, None)
        return self.reduce_only.pop(name, None) is not None or held is not None

    def unblock_venue(self, venue: Venue, name: str) -> bool:
        """Take a venue's reason away; True if it held."""
        halted = self.venues_halted.get(venue, {}).pop(name, None)
        return self.venues.get(venue, {}).pop(name, None) is not None or halted is not None

    def unblock_instrument(self, instrument: InstrumentId, name: str) -> bool:
        """Take an instrument's reason away; True if it held."""
        return self.instruments.get(instrument, {}).pop(name, None) is not None

    def venue_reasons(self, venue: Venue) -> tuple[str, ...]:
        """Names of what blocks opens at this venue, what halts it first."""
        return (*self.venues_halted.get(venue, ()), *self.venues.get(venue, ()))

    def reasons_at(self, venue: Venue) -> tuple[Reason, ...]:
        """What blocks opens at this venue, what halts it first."""
        return (*self.venues_halted.get(venue, {}).values(), *self.venues.get(venue, {}).values())

    def blocks_open(self, venue: Venue, instrument: InstrumentId) -> str:
        """The first reason that blocks an opening order there; empty if none."""
        for held in (self.halted, self.reduce_only, self.venues_halted.get(venue), self.venues.get(venue),
                     self.instruments.get(instrument)):
            if held:
                return next(iter(held))
        return ""


def _add(held: dict[str, Reason], reason: Reason) -> bool:
    if reason.name in held:
        return False
    held[reason.name] = reason
    return True

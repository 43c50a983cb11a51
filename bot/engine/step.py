"""What one event led to: commands, refusals, the record of a decision, notes for the log, the next deadline."""

from __future__ import annotations

import msgspec

from bot.domain.commands import AnyCommand
from bot.domain.orders import Refusal
from bot.domain.values import Nanos
from bot.engine.governor_state import GovernorRecord
from bot.portfolio.hedge_legs import HedgeRecord
from bot.strategy.allocation import CapCut


class Note(msgspec.Struct, frozen=True, array_like=True):
    """Something worth a log line: a name from `telemetry/names.py` and its keys (units in the key)."""

    name: str
    keys: tuple[tuple[str, str], ...]


class CandidateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One possible pair at one decision, with its arithmetic in bp of notional over the horizon."""

    coin: str
    long_leg: str
    short_leg: str
    verdict: str
    """open, hold, close or idle."""
    reason: str
    """The one reason that decided, from a fixed list (`carry_below_costs`, `basis_unknown`, ...)."""
    terms_bps: tuple[tuple[str, float], ...]
    """The sum, term by term: funding, basis, fees, spread, slippage, borrow, hurdle, net, threshold."""


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One rebalance: what was known, what was decided, what bound it."""

    decision_id: str
    at_ns: Nanos
    mode: str
    mode_reasons: tuple[str, ...]
    equity_usd: str
    candidates: tuple[CandidateRecord, ...]
    actions: tuple[str, ...]
    binding: tuple[str, ...]
    data_age_ns_max: int
    governor: GovernorRecord | None = None
    hedge: HedgeRecord | None = None
    """The book's beta, and what was wanted of the hedge."""
    caps: tuple[CapCut, ...] = ()
    """Held pairs that a cap of the allocation made smaller."""


class Step(msgspec.Struct, frozen=True, array_like=True):
    """The answer of `Engine.step`; equal event sequences give equal steps, byte for byte."""

    commands: tuple[AnyCommand, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    record: DecisionRecord | None = None
    notes: tuple[Note, ...] = ()
    wake_ns: Nanos | None = None
    """The engine's next own deadline; the driver owes it `DeadlineReached` then."""

    @property
    def decided(self) -> bool:
        """Whether anything beyond the fold happened; such a step is committed at once."""
        return bool(self.commands or self.refusals or self.record or self.notes)

"""What a judgement is asked and what it answers: candidates, inputs, reasons, verdicts."""

from __future__ import annotations

from enum import Enum

import msgspec

from bot.domain.values import Coin, InstrumentId, Nanos, Venue
from bot.market.basis import BasisTracker
from bot.market.costs import PairCosts
from bot.market.funding import FundingHistory


class PairKind(Enum):
    """Which trade a pair is."""

    SPOT_PERP = "spot_perp"
    REVERSE = "reverse"
    """Short borrowed spot, long perp."""
    PERP_PERP = "perp_perp"


class RateCap(msgspec.Struct, frozen=True):
    """The most a funding rate may be in size: per interval, or per 8 h whatever the interval."""

    rate: float
    per_8h: bool = False

    def reached(self, rate: float, interval_h: int, share: float) -> bool:
        """Whether `rate` (per interval) stands within `share` of the cap or of the floor."""
        limit = self.rate * interval_h / 8.0 if self.per_8h else self.rate
        return abs(rate) >= share * limit


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One pair that could be held: what never changes between two judgements of it."""

    kind: PairKind
    coin: Coin
    long_leg: InstrumentId
    short_leg: InstrumentId
    long_venue: Venue
    short_venue: Venue
    blocked: str = ""
    """Reason why it can never be opened (`borrow_unknown`); empty if it can."""
    long_cap: RateCap | None = None
    """None: a spot leg, or no rule known."""
    short_cap: RateCap | None = None
    perp_legs: int = 1
    """1 for spot against perp, 2 for two perps."""
    key: str = ""
    """`long|short`: names the pair; also the last word in ties."""


class PairMargin(msgspec.Struct, frozen=True):
    """Equity that each leg's futures wallet must hold per unit of notional: 1 / leverage. 0 for a spot leg."""

    long: float
    short: float


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a judgement needs to know of a pair that is held."""

    opened_ns: Nanos
    notional_usd: float


class PairInputs(msgspec.Struct, frozen=True, kw_only=True):
    """All a judgement knows, at one instant. Missing things are None and lead to a reason, never to zero."""

    now_ns: Nanos
    candidate: Candidate
    long_funding: FundingHistory | None
    """None for a spot leg; None for a perp leg is `funding_unknown`."""
    short_funding: FundingHistory | None
    basis: BasisTracker | None
    basis_now_bps: float | None
    """(short mid - long mid) / long mid now, in bp."""
    costs: PairCosts | None
    """Entering and leaving at the intended size (`market/costs.py`); None without quotes."""
    hurdle_annual: float | None = None
    """What idle capital earns now (a T-bill series); None: the parameters' default."""
    tradable: bool = True
    """Both legs have a quote now. False: a held pair stays, none is opened."""
    delisting: bool = False
    """A leg is scheduled to be removed."""
    margin: PairMargin | None = None
    """What the leverage caps ask of the legs; None: the configured leverage."""
    held: Held | None = None
    closed_ns: Nanos | None = None
    """When this pair was last left (cool-down)."""


class Action(Enum):
    """What a verdict asks for."""

    OPEN = "open"
    HOLD = "hold"
    CLOSE = "close"
    IDLE = "idle"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, with its arithmetic in bp of notional over the horizon."""

    candidate: Candidate
    action: Action
    reason: str
    """One of `REASONS`."""
    terms_bps: tuple[tuple[str, float], ...] = ()
    """funding, basis, fees, spread, slippage, borrow, hurdle, net, then what decided: value, threshold."""
    net_bps: float = 0.0
    """Expected net over the horizon; meaningful only with terms."""
    rank: float = 0.0
    """Expected net / (capital * tail loss); larger first."""
    forecast_annual: float | None = None
    """Mean funding expected over the horizon, fraction of notional per year, positive = received."""
    capital_per_notional: float = 0.0
    may_grow: bool = False
    """A held pair that would also be entered now: an addition clears its own costs."""
    hurdle_source: str = ""
    """series or default: where the yield of idle capital came from."""
    hard: bool = False
    """A hard exit: minimum hold does not protect it, and it should not wait."""


REASONS = (
    "carry_clears_costs",       # open
    "carry_holds",              # hold: staying is worth more than leaving
    "min_hold",                 # hold: it would leave, but four fills have not had their time
    "leg_halted",               # hold or idle: a leg has no quote
    "data_missing",             # hold: judged blind, so nothing is changed
    "carry_below_costs",        # idle: expected net over the horizon below the buffer
    "carry_below_threshold",    # idle: net is positive, yet waiting is worth more
    "volatility_unknown",       # idle: no model and no history say how far its price goes
    "cool_down", "borrow_unknown", "underlying_differs", "funding_unknown", "funding_warming_up", "funding_stale",
    "basis_unknown", "basis_warming_up", "costs_unknown", "depth_thin", "cap_binding", "delisting",   # idle
    "carry_gone",               # close: the expected loss of staying exceeds the cost of leaving
    "funding_floor", "interval_shortened", "basis_blowout",                          # close, hard
)
"""Every reason a verdict can have; `delisting` and `leg_halted` serve both sides."""

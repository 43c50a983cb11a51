"""One coin on two venues, in the state a test asks for: instruments, funding histories, inputs of a judgement."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.instrument import FundingRule, Instrument, Kind, instrument_id
from bot.domain.values import NS_PER_HOUR, Coin, Nanos, Venue
from bot.market.basis import BasisTracker
from bot.market.costs import PairCosts
from bot.market.funding import FundingHistory
from bot.strategy.candidates import enumerate_pairs
from bot.strategy.verdict import Candidate, Held, PairInputs, PairKind

START_NS = Nanos(1_704_067_200 * 1_000_000_000)
TAKER = PairCosts(
    fees_in_bps=15.0, fees_out_bps=15.0, spread_in_bps=1.5, spread_out_bps=1.5, slippage_in_bps=0.0,
    slippage_out_bps=0.0, depth_multiple=10.0,
)
"""All-taker on the first venue: 10 bp spot and 5 bp perp each way, half-spreads of 1.5 bp for both legs."""


def instrument(venue: str, symbol: str, coin: str = "BTC", lot: str = "0.001", cap: str = "0.003") -> Instrument:
    """A spot market or perp with plausible rules."""
    perp = ":" in symbol
    rule = FundingRule(interval_h=8, interest_8h=Decimal("0.0001"), clamp_8h=Decimal("0.0005"), cap=Decimal(cap))
    return Instrument(
        id=instrument_id(venue, symbol), venue=Venue(venue), symbol=symbol, coin=Coin(coin), quote="USDT",
        kind=Kind.PERP if perp else Kind.SPOT, tick_size=Decimal("0.1"), lot_size=Decimal(lot), lots_min=1,
        notional_min_usd=Decimal(50 if perp else 5), maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"),
        fee_in_base=not perp, funding=rule if perp else None,
    )


def candidate(kind: PairKind = PairKind.SPOT_PERP, coin: str = "BTC") -> Candidate:
    """The pair of that kind on venue `alpha` (and `beta` for two perps)."""
    known = (
        instrument("alpha", f"{coin}/USDT", coin), instrument("alpha", f"{coin}/USDT:USDT", coin),
        instrument("beta", f"{coin}/USDC:USDC", coin),
    )
    return next(each for each in enumerate_pairs(known) if each.kind is kind)


def history(rates_8h_bps: list[float], interval_h: int = 8) -> FundingHistory:
    """Settlements every `interval_h` from `START_NS`, given in bp per 8 h."""
    state = FundingHistory(instrument=instrument_id("alpha", "BTC/USDT:USDT"))
    for number, rate in enumerate(rates_8h_bps):
        state.observe(rate * 1e-4 * interval_h / 8, interval_h, Nanos(START_NS + number * interval_h * NS_PER_HOUR))
    return state


def flat_basis(level_bps: float = -3.0, samples: int = 200) -> BasisTracker:
    """A basis that alternates half a bp about a level."""
    known = candidate()
    tracker = BasisTracker(long_leg=known.long_leg, short_leg=known.short_leg)
    for hour in range(samples):
        short = 100.0 * (1.0 + (level_bps + (0.5 if hour % 2 else -0.5)) * 1e-4)
        tracker.observe(Nanos(START_NS + hour * NS_PER_HOUR), 100.0, short)
    return tracker


def inputs(
    rates_8h_bps: list[float], *, held_h: float | None = None, basis_now_bps: float = -3.0, costs: PairCosts = TAKER,
    hurdle_annual: float | None = 0.0, closed_h: float | None = None, tradable: bool = True, delisting: bool = False,
) -> PairInputs:
    """A spot-perp judgement one minute after the last settlement; hours are counted back from there."""
    now_ns = Nanos(START_NS + (len(rates_8h_bps) - 1) * 8 * NS_PER_HOUR + NS_PER_HOUR // 60)
    held = None
    if held_h is not None:
        held = Held(opened_ns=Nanos(now_ns - int(held_h * NS_PER_HOUR)), notional_usd=1000.0)
    return PairInputs(
        now_ns=now_ns, candidate=candidate(), long_funding=None, short_funding=history(rates_8h_bps),
        basis=flat_basis(), basis_now_bps=basis_now_bps, costs=costs, hurdle_annual=hurdle_annual, tradable=tradable,
        delisting=delisting, held=held,
        closed_ns=None if closed_h is None else Nanos(now_ns - int(closed_h * NS_PER_HOUR)),
    )

"""The risk report: what the models are worth on a history of coins, and what carry looks like beside its risks.

Each section is computed on its own; one that a history is too short for is left out with its reason, not made up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from bot.domain.errors import BotError
from bot.domain.instrument import Instrument
from bot.domain.values import NS_PER_DAY
from bot.quant.leverage_cap import CapRules
from bot.quant.volatility import VolatilityParams
from bot.research.calc_tail import pair_stress
from bot.research.calculation import Calculation
from bot.research.carry_frontier import carry_frontier
from bot.research.funding_effect import FundingEffect, funding_effect
from bot.research.leverage_study import LeverageTable, leverage_table
from bot.research.risk_history import CoinHistory
from bot.research.var_study import InstrumentStudy, daily_of, study_instrument
from bot.research.volatility_study import VolatilityTable, volatility_table
from bot.research.volatility_walk import HourlyCloses, Walk, walk
from bot.risk.scenarios import SCENARIOS
from bot.risk.stress import StressLimits

Vector = npt.NDArray[np.float64]
Part = TypeVar("Part")
P = ParamSpec("P")
Progress = Callable[[float, str], None]

WARM_DAYS: Final = 365
"""The first year of a history is what the models learn from; everything is judged on the days after it."""
_STRESS_USD: Final = 100_000.0


class VolatilitySeries(msgspec.Struct, frozen=True, kw_only=True):
    """Daily volatility as it was forecast the day before, and as it came; fractions per year."""

    symbol: str
    day_ns: tuple[int, ...]
    realised: tuple[float, ...]
    garch: tuple[float, ...]
    """NaN while no fit was accepted."""
    chosen: tuple[float, ...]


class RiskReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that the report shows; what is missing stands in `left_out`."""

    source: str
    data_hash: str
    venue: str
    coins: tuple[str, ...]
    from_ns: int
    to_ns: int
    var: tuple[InstrumentStudy, ...]
    volatility: tuple[VolatilityTable, ...]
    volatility_series: tuple[VolatilitySeries, ...]
    leverage: tuple[LeverageTable, ...]
    funding: tuple[FundingEffect, ...]
    frontier: Calculation | None
    stress: tuple[Calculation, ...]
    left_out: tuple[str, ...]


class _Builder:
    """Collects sections and the reasons of those that could not be made."""

    def __init__(self, advance: Progress, steps: int) -> None:
        self.left_out: list[str] = []
        self._advance, self._steps, self._done = advance, steps, 0

    def part(self, what: str, make: Callable[P, Part], *given: P.args, **named: P.kwargs) -> tuple[Part, ...]:
        """One section, or none: a refusal of ours becomes its reason."""
        self._advance(self._done / self._steps, what)
        self._done += 1
        try:
            return (make(*given, **named),)
        except (BotError, ValueError) as error:
            self.left_out.append(f"{what}: {error}")
            return ()


def build_risk_report(
    histories: tuple[CoinHistory, ...], legs: dict[str, tuple[Instrument, Instrument]], *, source: str, data_hash: str,
    advance: Progress, rules: CapRules | None = None, params: VolatilityParams | None = None,
) -> RiskReport:
    """Walk every coin's history once and put all sections together.

    Args:
        histories: of one venue.
        legs: spot (or long perp) and perpetual of each coin, for stress; a coin without is not stressed.
        advance: told how far it is.
    """
    rules, params = rules or CapRules(), params or VolatilityParams()
    build = _Builder(advance, 6 * len(histories) + 1)
    var: tuple[InstrumentStudy, ...] = ()
    tables: tuple[VolatilityTable, ...] = ()
    series: tuple[VolatilitySeries, ...] = ()
    caps: tuple[LeverageTable, ...] = ()
    effects: tuple[FundingEffect, ...] = ()
    stressed: tuple[Calculation, ...] = ()
    for coin in histories:
        name, closes = coin.coin, HourlyCloses(closed_ns=coin.closed_ns, close=coin.perp)
        begin, end = int(coin.closed_ns[0]) + WARM_DAYS * NS_PER_DAY, int(coin.closed_ns[-1]) + 1
        effects += build.part(f"{name}: funding", funding_effect, coin)
        var += build.part(f"{name}: VaR against outcomes", _var, name, closes, begin)
        walked = build.part(f"{name}: volatility models", walk, name, closes, params,
                            window_h=max(1, round(rules.rebalance_h)), horizon_h=rules.horizon_h)
        for one in walked:
            series += (_series(name, one, begin),)
            tables += build.part(f"{name}: volatility table", volatility_table, name, closes, begin, end, params,
                                 walked=one)
            caps += build.part(f"{name}: leverage caps", leverage_table, name, closes, begin, end, rules, params,
                               walked=one)
        if name in legs:
            stressed += build.part(f"{name}: stress", _stressed, coin, legs[name])
    frontier = build.part("frontier of perpetuals and carry", carry_frontier, histories)
    advance(1.0, "done")
    return RiskReport(
        source=source, data_hash=data_hash, venue=histories[0].venue, coins=tuple(coin.coin for coin in histories),
        from_ns=min(int(coin.closed_ns[0]) for coin in histories),
        to_ns=max(int(coin.closed_ns[-1]) for coin in histories), var=var, volatility=tables,
        volatility_series=series, leverage=caps, funding=effects, frontier=frontier[0] if frontier else None,
        stress=stressed, left_out=tuple(build.left_out),
    )


def _var(name: str, closes: HourlyCloses, begin_ns: int) -> InstrumentStudy:
    return study_instrument(daily_of(name, closes), from_ns=begin_ns)


def _series(name: str, walked: Walk, begin_ns: int) -> VolatilitySeries:
    """Forecast of each day made at the end of the day before, beside what came."""
    shown = np.flatnonzero(walked.day_ns[1:] > begin_ns)
    garch = walked.variance.get("garch")
    past = np.full(len(walked.day_ns), np.nan) if garch is None else garch
    return VolatilitySeries(
        symbol=name, day_ns=tuple(walked.day_ns[1:][shown].tolist()),
        realised=_annual(walked.realised[1:][shown]), garch=_annual(past[:-1][shown]),
        chosen=_annual(walked.chosen[:-1][shown]))


def _annual(variance: Vector) -> tuple[float, ...]:
    return tuple(math.sqrt(each * 365.0) if each > 0.0 else math.nan for each in variance.tolist())


def _stressed(coin: CoinHistory, legs: tuple[Instrument, Instrument]) -> Calculation:
    """A pair of 100,000 USD at 3x with a tenth in reserve, at the coin's volatility of the last 30 days."""
    days = np.diff(np.log(coin.daily(coin.perp)))[-30:]
    return pair_stress(
        long_leg=legs[0], short_leg=legs[1], notional_usd=_STRESS_USD, collateral_usd=_STRESS_USD * (1 / 3 + 0.1),
        idle_usd=0.0, sigma_daily=float(np.nanstd(days)), half_spread=1e-4, limits=StressLimits(), scenarios=SCENARIOS)

"""Back-test of the leverage caps' barriers: how often marks reached them, against how often they were allowed to.

At every rebalance the barrier is `k(p) x scale x sigma`, sigma being what the product would have used and the scale
fitted on windows that were over. A window is hit if an hourly mark close within it lies beyond. Shorts fear rises and
longs falls, so each window is two trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from bot.domain.errors import DataRefused
from bot.quant.barrier import Direction, excursions, jump_floor
from bot.quant.barrier_calibration import PROBABILITIES, HitRate, barrier_scale, hit_rate
from bot.quant.leverage_cap import CapRules, Side, adverse, leverage_cap
from bot.quant.volatility import VolatilityParams
from bot.research.volatility_study import load_hourly_marks
from bot.research.volatility_walk import HourlyCloses, Walk, walk

Vector = npt.NDArray[np.float64]

SIDES: Final[tuple[Side, ...]] = ("short", "long")
RESCALE_DAYS: Final = 30
WINDOWS_MIN: Final = 100
_NS_PER_DAY: Final = 86_400_000_000_000
_NS_PER_HOUR: Final = 3_600_000_000_000
ScaleKind = Literal["used", "raw", "none"]


class BarrierRow(msgspec.Struct, frozen=True, kw_only=True):
    """Hits of one symbol at one probability under one kind of scale."""

    scale: ScaleKind
    """"used": fitted and held within the rules' bounds; "raw": fitted, unbounded; "none": 1."""
    short: HitRate
    long: HitRate
    both: HitRate
    scale_mean: float

    @property
    def rejected(self) -> bool:
        """Whether the one-sided test at 5 % rejects the target."""
        return self.both.p_value < 0.05


class CapRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the caps of one side came to over the period, with the product's rules."""

    side: Side
    low: float
    """5th percentile, median and 95th percentile of the cap."""
    median: float
    high: float
    binding: tuple[tuple[str, int], ...]
    """How often each rule bound, most often first."""


class LeverageTable(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol's barriers and caps."""

    symbol: str
    windows: int
    first_ns: int
    last_ns: int
    nu: float
    rows: tuple[BarrierRow, ...]
    caps: tuple[CapRow, ...]

    @property
    def passes(self) -> bool:
        """Whether the scale in use keeps every probability."""
        return not any(row.rejected for row in self.rows if row.scale == "used")


def leverage_table(
    symbol: str, closes: HourlyCloses, from_ns: int, to_ns: int, rules: CapRules | None = None,
    params: VolatilityParams | None = None, *, maintenance_rate: float = 0.005, config_max: float = 10.0,
    walked: Walk | None = None,
) -> LeverageTable:
    """Back-test one symbol on rebalances in [from_ns, to_ns).

    Args:
        closes: hourly marks, from well before `from_ns`: scale and volatility need their past.
        maintenance_rate, config_max: of the caps that are shown.
        walked: of the same closes and rules, if it is at hand.
    Raises:
        DataRefused: with under 100 windows.
    """
    rules, params = rules or CapRules(), params or VolatilityParams()
    hours = max(1, round(rules.rebalance_h))
    walked = walked or walk(symbol, closes, params, window_h=hours, horizon_h=rules.horizon_h)
    ratios = {side: _ratios(closes, walked, hours, rules.horizon_h, adverse(side)) for side in SIDES}
    scales = _scales(walked, ratios, rules, hours)
    shown = (walked.window_ns >= from_ns) & (walked.window_ns < to_ns)
    for each in ratios.values():
        shown &= np.isfinite(each)
    count = int(shown.sum())
    if count < WINDOWS_MIN:
        raise DataRefused(f"{symbol}: only {count} whole windows of {hours} h in the period; {WINDOWS_MIN} are needed")
    stamps = walked.window_ns[shown]
    rows = tuple(
        _barrier_row(kind, p, {side: ratios[side][shown] for side in SIDES}, scales[kind][shown], rules.nu)
        for kind in scales for p in PROBABILITIES
    )
    return LeverageTable(
        symbol=symbol, windows=count, first_ns=int(stamps[0]), last_ns=int(stamps[-1]), nu=rules.nu, rows=rows,
        caps=tuple(_cap_row(side, closes, walked, shown, scales["used"], rules, maintenance_rate, config_max)
                   for side in SIDES),
    )


def leverage_tables(folder: Path, venue: str, symbols: Sequence[str], from_ns: int, to_ns: int
                    ) -> tuple[LeverageTable, ...]:
    """`leverage_table` of every symbol, from a folder of history."""
    return tuple(
        leverage_table(symbol, load_hourly_marks(folder, venue, symbol), from_ns, to_ns) for symbol in symbols
    )


def _ratios(closes: HourlyCloses, walked: Walk, hours: int, horizon_h: float, direction: Direction) -> Vector:
    """Excursion over the window's own sigma (not that of the longer horizon), shape (w,); NaN where one is unknown."""
    moves = excursions(np.log(closes.close), hours, direction)
    whole = walked.window_row < len(moves)
    out = np.full(len(walked.window_row), np.nan)
    out[whole] = moves[walked.window_row[whole]]
    return np.asarray(out / (walked.sigma_horizon * (hours / horizon_h) ** 0.5))


def _scales(walked: Walk, ratios: dict[Side, Vector], rules: CapRules, hours: int) -> dict[ScaleKind, Vector]:
    """The scale in use at each window: fitted every 30 days on windows that had ended by then."""
    used, raw = np.ones(len(walked.window_ns)), np.ones(len(walked.window_ns))
    next_fit, factor, unbounded = 0, 1.0, 1.0
    for place, now_ns in enumerate(walked.window_ns.tolist()):
        if now_ns >= next_fit:
            over = int(np.searchsorted(walked.window_ns, now_ns - hours * _NS_PER_HOUR, side="right"))
            past = np.concatenate([ratios[side][:over] for side in SIDES])
            scale = barrier_scale(past[np.isfinite(past)], rules.nu, factor_min=rules.scale_min,
                                  factor_max=rules.scale_max)
            factor, unbounded = scale.factor, 1.0 if scale.raw is None else scale.raw
            next_fit = now_ns + RESCALE_DAYS * _NS_PER_DAY
        used[place], raw[place] = factor, unbounded
    return {"used": used, "raw": raw, "none": np.ones(len(used))}


def _barrier_row(kind: ScaleKind, p: float, ratios: dict[Side, Vector], scales: Vector, nu: float) -> BarrierRow:
    """Hits on each side and on both."""
    both = np.concatenate([ratios[side] for side in SIDES])
    return BarrierRow(
        scale=kind, short=hit_rate(ratios["short"], scales, p, nu), long=hit_rate(ratios["long"], scales, p, nu),
        both=hit_rate(both, np.concatenate([scales] * len(SIDES)), p, nu), scale_mean=float(scales.mean()),
    )


def _cap_row(
    side: Side, closes: HourlyCloses, walked: Walk, shown: npt.NDArray[np.bool_], scales: Vector, rules: CapRules,
    maintenance_rate: float, config_max: float,
) -> CapRow:
    """The caps as the product would have set them; the jump floor is looked up once a month."""
    logs = np.log(closes.close)
    caps, bound = [], []
    jump, looked_up_ns, previous = None, -1, None
    for place in np.flatnonzero(shown).tolist():
        row, now_ns = int(walked.window_row[place]), int(walked.window_ns[place])
        if looked_up_ns < 0 or now_ns - looked_up_ns >= RESCALE_DAYS * _NS_PER_DAY:
            past = logs[max(0, row + 1 - 24 * rules.jump_days): row + 1]
            jump, looked_up_ns = jump_floor(past, rules.jump_window_h, adverse(side), rules.jump_quantile), now_ns
        sigma = float(walked.sigma_horizon[place])
        cap = leverage_cap(
            side, sigma, sigma * (rules.reaction_h / rules.horizon_h) ** 0.5, rules, maintenance_rate=maintenance_rate,
            jump=jump, config_max=config_max, scale=float(scales[place]), previous=previous,
        )
        previous = cap.cap
        caps.append(cap.cap)
        bound.append(cap.binding)
    low, median, high = np.quantile(caps, (0.05, 0.5, 0.95)).tolist()
    counted = sorted(((rule, bound.count(rule)) for rule in dict.fromkeys(bound)), key=lambda each: -each[1])
    return CapRow(side=side, low=low, median=median, high=high, binding=tuple(counted))

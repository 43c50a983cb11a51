"""The daily record of forecast against outcome, what the tests say of it, and the tighter limits that follow.

A forecast is for the book as it stood at 00 UTC; its outcome is what that book would have made until the next, without
the trades of the day: the forecast is judged, not the trading. Too little risk forecast tightens; too much is noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from bot.domain.values import Nanos
from bot.quant.tail_risk import Vector
from bot.quant.var_backtests import (
    Zone,
    acerbi_szekely_1,
    acerbi_szekely_2,
    acerbi_szekely_critical,
    basel_zone,
    breaches,
    conditional_coverage,
    independence,
    kupiec,
    transitions,
)

VAR_LEVEL: Final = 0.99
ES_LEVEL: Final = 0.975
_PLUS: Final = {"green": 0.0, "yellow": 0.5, "red": 1.0}
"""Added by Basel to a capital multiplier of 3 (in the yellow zone 0.40 to 0.85 by count; its middle here)."""


class RiskForecast(msgspec.Struct, frozen=True, kw_only=True):
    """What was forecast for one day in one line of the record; the outcome is None until the day is over."""

    day_ns: Nanos
    """00 UTC at which the forecast was made."""
    method: str
    var_95_usd: float
    var_99_usd: float
    es_975_usd: float
    var_975_usd: float
    pnl_usd: float | None = None


class RecordLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the record is judged."""

    var_record_days: int = 365
    """The newest days that count."""
    var_record_days_min: int = 60
    """Fewer outcomes say nothing, and nothing follows from them."""
    var_test_significance: float = 0.01
    """A test that rejects at this level tightens limits; daily looks at 5 % would cry wolf once a month."""
    var_downgrade_factor: float = 0.75
    """Limits are multiplied by at most this after a rejection; Basel's zone may tighten further."""

    def __post_init__(self) -> None:
        """Bounds."""
        if not 30 <= self.var_record_days_min <= self.var_record_days <= 1500:
            raise ValueError("30 <= var_record_days_min <= var_record_days <= 1500 must hold")
        if not 0.0001 <= self.var_test_significance <= 0.10:
            raise ValueError("var_test_significance must be within 0.0001..0.10")
        if not 0.25 <= self.var_downgrade_factor <= 1.0:
            raise ValueError("var_downgrade_factor must be within 0.25..1")


class RecordVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the record says; None where there is too little of it."""

    days: int
    breaches_99: int
    breaches_95: int
    expected_99: float
    limit_factor: float
    """Multiplies the ES limit; 1 = no downgrade."""
    reasons: tuple[str, ...]
    """Codes of what tightened the limits, and of what is only noted (`var_too_high`, `var_record_short`)."""
    kupiec_p: float | None = None
    independence_p: float | None = None
    conditional_p: float | None = None
    zone: Zone | None = None
    z1: float | None = None
    z2: float | None = None
    z2_critical: float | None = None

    @property
    def downgraded(self) -> bool:
        """Whether limits are tighter than configured: an alert."""
        return self.limit_factor < 1.0


def judge_record(record: Sequence[RiskForecast], limits: RecordLimits, tail_losses_over_es: Vector,
                 generator: np.random.Generator) -> RecordVerdict:
    """Test the newest outcomes and say by how much limits tighten.

    Args:
        record: oldest first; days without an outcome are left out.
        limits: how.
        tail_losses_over_es: loss / ES of the forecast's own tail rows (see `tail_shape`), for the critical value of Z2.
        generator: seeded by the caller with the day, so that a replay draws the same.
    """
    known = [row for row in record if row.pnl_usd is not None][-limits.var_record_days:]
    pnl = np.array([row.pnl_usd for row in known], dtype=np.float64)
    var_99 = np.array([row.var_99_usd for row in known])
    hit = breaches(pnl, var_99)
    count, days = int(hit.sum()), len(known)
    hit_95 = int(breaches(pnl, np.array([row.var_95_usd for row in known])).sum())
    probability = 1.0 - VAR_LEVEL
    if days < limits.var_record_days_min:
        return RecordVerdict(days=days, breaches_99=count, breaches_95=hit_95, expected_99=days * probability,
                             limit_factor=1.0, reasons=("var_record_short",))
    es, var_975 = np.array([(row.es_975_usd, row.var_975_usd) for row in known]).T
    coverage, clusters = kupiec(days, count, probability), independence(transitions(hit))
    z2 = acerbi_szekely_2(pnl, var_975, es, 1.0 - ES_LEVEL)
    critical = acerbi_szekely_critical(tail_losses_over_es, days, 1.0 - ES_LEVEL,
                                       limits.var_test_significance, generator)
    zone = basel_zone(days, count, probability)
    reasons = []
    if coverage.p_value < limits.var_test_significance:
        reasons.append("var_too_low" if count > days * probability else "var_too_high")
    if clusters.p_value < limits.var_test_significance and transitions(hit).n11 > 0:
        reasons.append("var_breaches_cluster")
    if z2 < critical:
        reasons.append("es_too_low")
    rejected = any(reason != "var_too_high" for reason in reasons)
    if zone != "green":
        reasons.append(f"basel_{zone}")
    factor = 3.0 / (3.0 + _PLUS[zone])
    return RecordVerdict(
        days=days, breaches_99=count, breaches_95=hit_95, expected_99=days * probability,
        limit_factor=min(factor, limits.var_downgrade_factor) if rejected else factor, reasons=tuple(reasons),
        kupiec_p=coverage.p_value, independence_p=clusters.p_value,
        conditional_p=conditional_coverage(hit, probability).p_value, zone=zone,
        z1=acerbi_szekely_1(pnl, var_975, es), z2=z2, z2_critical=critical,
    )


def tail_shape(pnl: Vector, level: float = ES_LEVEL) -> Vector:
    """Loss over ES of the forecast's own worst rows; mean 1. Shape (k,).

    Raises:
        ValueError: if fewer than one row lies in the tail, or the tail does not lose.
    """
    count = int(len(pnl) * (1.0 - level))
    worst = np.sort(pnl)[:count]
    if count < 1 or worst.mean() >= 0.0:
        raise ValueError(f"{len(pnl)} rows have {count} in the tail of {level}; it must hold one and lose")
    out: Vector = worst / worst.mean()
    return out

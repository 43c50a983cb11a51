"""All parameters of the engine: each layer's own, nested."""

from __future__ import annotations

import msgspec

from bot.execution.params import ExecutionParams
from bot.risk.governor_params import GovernorParams
from bot.risk.params import RiskLimits
from bot.strategy.hedge import HedgeParams
from bot.strategy.params import CarryParams
from bot.strategy.sizing import SizingParams


class EngineParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What fixes the engine's answers, together with the events."""

    seed: int = 1
    """Fixes the jitter of slices; with the journal it makes a run repeatable."""
    rebalance_every_s: int = 3600
    """A decision is taken so often, counted from 00 UTC."""
    rebalance_offset_s: int = 120
    """... this long past the hour: never beside a settlement."""
    notes_kept: int = 50
    """Last notes that `status` shows."""
    carry: CarryParams = CarryParams()
    sizing: SizingParams = SizingParams()
    execution: ExecutionParams = ExecutionParams()
    risk: RiskLimits = RiskLimits()
    governor: GovernorParams = GovernorParams()
    hedge: HedgeParams = HedgeParams()

    def __post_init__(self) -> None:
        """Refuse a rebalance that would fall into the quiet minute around settlements."""
        if self.rebalance_every_s < 300 or 86_400 % self.rebalance_every_s:
            raise ValueError("rebalance_every_s must be at least 300 and divide a day")
        if not 60 <= self.rebalance_offset_s < self.rebalance_every_s:
            raise ValueError("rebalance_offset_s must be at least 60 and below rebalance_every_s")
        if self.carry.maker_harder_leg and not self.execution.makers:
            raise ValueError("carry.maker_harder_leg prices fills that execution.makers = false never makes")

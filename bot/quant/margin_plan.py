"""What to do before a margin pool is in trouble: how far it is, when to start, how much to move, how much to reduce.

A cash-and-carry has two wallets. The spot wallet's gain does not protect the short: cash has to travel, which takes
time, and the price moves meanwhile. So a transfer counts only if the price is unlikely to reach liquidation before it
arrives; otherwise both legs shrink together. Distances are log moves against the pool. Source: quant-reference 2.4, 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from bot.quant.barrier import tail_multiplier
from bot.quant.leverage_cap import CapRules, Side, distance_of, equity_needed

Step = Literal["hold", "top_up", "reduce", "gone"]


class PoolAtRisk(msgspec.Struct, frozen=True, kw_only=True):
    """A futures wallet seen as one position against the way that hurts it, at present marks."""

    side: Side
    equity_usd: float
    notional_usd: float
    maintenance_rate: float
    close_fee: float = 0.0

    @property
    def distance(self) -> float:
        """Log distance to liquidation; at or below 0 it is there. An empty pool is infinitely far."""
        if self.notional_usd <= 0:
            return math.inf
        return distance_of(self.side, self.equity_usd / self.notional_usd, self.maintenance_rate, self.close_fee)

    @property
    def leverage(self) -> float | None:
        """Effective leverage; None without equity."""
        return self.notional_usd / self.equity_usd if self.equity_usd > 0 else None

    def equity_for(self, distance: float) -> float:
        """Equity, USD, at which liquidation is `distance` away."""
        return self.notional_usd * equity_needed(self.side, distance, self.maintenance_rate, self.close_fee)

    def notional_for(self, distance: float, cost_rate: float = 0.0) -> float:
        """Notional, USD, that present equity carries at `distance`, after paying `cost_rate` of what is closed.

        0 if equity does not even pay for closing; the present notional if nothing has to go.
        """
        per_unit = equity_needed(self.side, distance, self.maintenance_rate, self.close_fee)
        if self.equity_usd >= per_unit * self.notional_usd:
            return self.notional_usd
        if per_unit <= cost_rate:
            return 0.0
        left = (self.equity_usd - cost_rate * self.notional_usd) / (per_unit - cost_rate)
        return min(max(left, 0.0), self.notional_usd)


class CashSource(msgspec.Struct, frozen=True, kw_only=True):
    """Cash that could be moved into the pool."""

    name: str
    free_usd: float
    latency_h: float
    """Worst time from the decision to the credit, detection included."""
    fee_usd: float = 0.0


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """Move this much; it arrives net of the source's fee."""

    source: str
    amount_usd: float
    fee_usd: float
    arrives_h: float


class MarginPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The next step and its arithmetic."""

    step: Step
    distance: float
    """Now, as everything below in log moves."""
    target: float
    alarm: float
    """Distance at which to start."""
    wanted_usd: float = 0.0
    """Cash that would restore `target`."""
    transfers: tuple[Transfer, ...] = ()
    late: tuple[str, ...] = ()
    """Sources whose money could come too late."""
    notional_usd: float | None = None
    """Size to which both legs shrink; None = leave them."""


def start_distance(entry_distance: float, sigma_latency: float, rules: CapRules, scale: float = 1.0) -> float:
    """Distance left at which a top-up has to start: the alarm share of the distance at entry, or what the price may
    use up within the latency with the accepted probability, whichever is more.

    Args:
        sigma_latency: volatility of the log price from the decision to the credit.
    """
    outlast = tail_multiplier(rules.reaction_probability, rules.nu) * sigma_latency * scale
    return max(rules.alarm_share * entry_distance, outlast)


def plan_margin(
    pool: PoolAtRisk, target: float, sigma_hour: float, rules: CapRules, sources: Sequence[CashSource] = (), *,
    in_flight_usd: float = 0.0, cost_rate: float = 0.001, scale: float = 1.0,
) -> MarginPlan:
    """Judge one pool: hold, move cash, or shrink both legs.

    Args:
        target: distance to restore (the cap's, or the distance at entry).
        sigma_hour: volatility of the log price over an hour; a latency of h hours has sqrt(h) times that.
        sources: cheapest first; each is used as far as it goes.
        in_flight_usd: on its way already: counts towards what is wanted, not towards the distance.
        cost_rate: fees and slippage of closing, of notional.
    Returns:
        "gone" if the pool is at or past liquidation; "reduce" where cash in time does not restore the target and the
        distance left is below what the price may use up within the reaction time, or below the alarm with no cash.
    """
    distance = pool.distance
    slowest = max((source.latency_h for source in sources), default=rules.reaction_h)
    alarm = start_distance(target, sigma_hour * math.sqrt(max(slowest, rules.reaction_h)), rules, scale)
    alarm = min(alarm, target)  # above the target there is nothing to restore
    if distance <= 0:
        return MarginPlan(step="gone", distance=distance, target=target, alarm=alarm, notional_usd=0.0)
    if distance >= alarm:
        return MarginPlan(step="hold", distance=distance, target=target, alarm=alarm)
    wanted = max(pool.equity_for(target) - pool.equity_usd - in_flight_usd, 0.0)
    transfers, late = _transfers(distance, wanted, sigma_hour, rules, sources, scale)
    missing = wanted - sum(each.amount_usd - each.fee_usd for each in transfers)
    urgent = distance < start_distance(0.0, sigma_hour * math.sqrt(rules.reaction_h), rules, scale)
    notional = None
    if urgent or missing > 0.01 * wanted:
        # cash that is not here yet carries nothing: in a hurry size follows present equity, else what is on its way too
        coming = 0.0 if urgent else in_flight_usd + wanted - missing
        carried = msgspec.structs.replace(pool, equity_usd=pool.equity_usd + coming)
        notional = carried.notional_for(target, cost_rate)
    step: Step = "reduce" if notional is not None else "top_up" if transfers else "hold"
    return MarginPlan(step=step, distance=distance, target=target, alarm=alarm, wanted_usd=wanted,
                      transfers=transfers, late=late, notional_usd=notional)


def _transfers(
    distance: float, wanted: float, sigma_hour: float, rules: CapRules, sources: Sequence[CashSource], scale: float
) -> tuple[tuple[Transfer, ...], tuple[str, ...]]:
    """What each source in time can give, and the names of those that could be late."""
    transfers, late = [], []
    for source in sources:
        if distance < start_distance(0.0, sigma_hour * math.sqrt(source.latency_h), rules, scale):
            late.append(source.name)
            continue
        amount = min(wanted + source.fee_usd, source.free_usd)
        if amount > max(1.0, 2.0 * source.fee_usd):
            transfers.append(Transfer(source=source.name, amount_usd=amount, fee_usd=source.fee_usd,
                                      arrives_h=source.latency_h))
            wanted -= amount - source.fee_usd
        if wanted <= 0:
            break
    return tuple(transfers), tuple(late)


class ShortAfterMove(msgspec.Struct, frozen=True, kw_only=True):
    """The futures wallet of a cash-and-carry after a rise; USD per unit of initial notional where it is money."""

    equity: float
    leverage: float | None
    """Effective; None if equity is gone."""
    distance: float
    """Relative further rise to liquidation."""
    top_up: float
    """Cash that restores the initial leverage."""


def short_after_move(leverage: float, log_move: float, maintenance_rate: float) -> ShortAfterMove:
    """What a rise does to a short that was opened at `leverage`, without top-up (quant-reference 2.4)."""
    notional = math.exp(log_move)
    equity = 1.0 / leverage - (notional - 1.0)
    return ShortAfterMove(
        equity=equity, leverage=notional / equity if equity > 0 else None,
        distance=(1.0 + 1.0 / leverage) / (1.0 + maintenance_rate) / notional - 1.0,
        top_up=notional / leverage - equity,
    )


def carry_notional(capital_usd: float, cap: float, reserve: float) -> float:
    """Notional that capital carries when spot is bought outright and the short stands at `cap`, with a reserve.

    Args:
        cap: leverage of the futures wallet, above 0.
        reserve: cash kept for top-ups, of notional.
    """
    return capital_usd / (1.0 + 1.0 / cap + reserve)

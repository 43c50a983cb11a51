"""A book of legs along many paths at once: two wallets per venue, tiered maintenance at mark, and who acts on it.

The mechanics that a product of notionals and returns leaves out: a spot gain does not protect the short in the futures
wallet; a pool at maintenance loses everything in it; the leg that is left is naked until somebody trims it. One engine
serves stress (dozens of paths, few steps) and Monte Carlo (thousands of paths of a year). A step is: transfers arrive;
repairs decided at the last step trade `reaction` of the way into the move; marks move (liquidation at the lowest
and the highest mark inside the step); funding settles; liquidation at the end; events (ADL, recall, venue lost); then
decisions. Source: quant-reference sections 2.4 and 14.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bot.quant.path_book import (
    BookLegs,
    BookPools,
    KeeperRule,
    Mask,
    PathOutcome,
    PathStep,
    maintenance_usd,
)
from bot.quant.path_keeper import PoolState, excess_share, shrink_share, top_ups
from bot.quant.tail_risk import Matrix, Vector


def run_paths(legs: BookLegs, pools: BookPools, rule: KeeperRule, steps: Iterable[PathStep], paths: int) -> PathOutcome:
    """Carry the book along every path and say how each ended.

    Raises:
        ValueError: if notionals, wallets, returns or funding are not finite; a missing return is not a calm one.
    """
    for name, array in (("notional_usd", legs.notional_usd), ("spot_cash_usd", pools.spot_cash_usd),
                        ("futures_equity_usd", pools.futures_equity_usd)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: every number must be known and finite")
    run = _BookRun(legs, pools, rule, paths)
    for step in steps:
        run.advance(step)
    return run.outcome()


class _BookRun:
    """The moving state. Columns are reordered, perps first, so that both kinds are slices and not copies."""

    def __init__(self, legs: BookLegs, pools: BookPools, rule: KeeperRule, paths: int) -> None:
        self.order = np.concatenate((np.flatnonzero(legs.is_perp), np.flatnonzero(~legs.is_perp)))
        self.in_order = bool((np.diff(self.order) == 1).all())
        self.perps = int(legs.is_perp.sum())
        self.rule = rule
        self.fee, self.half_spread = legs.fee_rate[self.order], legs.half_spread[self.order]
        self.floors = legs.tier_floor_usd[self.order[: self.perps]]
        self.rates = legs.tier_rate[self.order[: self.perps]]
        self.venue, self.coin = legs.venue[self.order], legs.coin[self.order]
        venues = len(pools.spot_cash_usd)
        self.at_venue = np.eye(venues)[self.venue]
        self.of_coin = np.eye(int(self.coin.max(initial=-1)) + 1)[self.coin]
        start = legs.notional_usd[self.order]
        self.start_gross = float(np.abs(start).sum())
        self.net_start = start @ self.of_coin
        self.quantity = np.tile(start, (paths, 1))
        self.value = self.quantity.copy()
        self.spot = np.tile(pools.spot_cash_usd, (paths, 1))
        self.futures = np.tile(pools.futures_equity_usd, (paths, 1))
        self.transit = [np.zeros((paths, venues)) for _ in range(rule.transfer_delay_steps + 1)]
        self.keep: Matrix | None = None
        self.pool = self._pool(self.value[:, : self.perps], self.futures)
        self.reference = self.pool.distance[0] if rule.reference_distance is None else rule.reference_distance
        self.wealth_start = float(self._wealth()[0]) if paths else 0.0
        self.tally = _Tally(paths, len(start), self.wealth_start)

    def advance(self, step: PathStep) -> None:
        """One step of every path."""
        returns = self._ordered(step.returns)
        if not np.isfinite(returns).all():
            raise ValueError("returns: every leg needs a known return in every step")
        self.futures += self.transit.pop(0)
        self.transit.append(np.zeros_like(self.futures))
        self._repair(step, returns)
        events = False
        for extreme in (step.low, step.high):
            if extreme is not None:
                events |= self._liquidate(self._ordered(extreme)[:, : self.perps])
        self.futures += self._by_venue(self.value[:, : self.perps] * returns[:, : self.perps])
        self.value *= 1.0 + returns
        if step.funding is not None:
            self._settle(self._ordered(step.funding)[:, : self.perps])
        events |= self._liquidate(None)
        events |= self._happen(step)
        self.tally.after(self._wealth(), self._naked_usd() if events else None)
        self._decide(step, events)

    def _repair(self, step: PathStep, returns: Matrix) -> None:
        """Trade what was decided: each leg is cut to `keep` of itself, part of the move later."""
        if self.keep is None:
            return
        keep = self.keep if step.down is None else np.where(step.down[:, self.venue], 1.0, self.keep)
        late = _column(step.reaction) * returns
        traded = self.value * (1.0 - keep)
        cost = np.abs(traded) * (1.0 + late) * (self.fee + self.half_spread * _column(step.spread_x))
        self.futures += self._by_venue((traded * late - cost)[:, : self.perps])
        self.spot += (traded * (1.0 + late) - cost)[:, self.perps :] @ self.at_venue[self.perps :]
        self.quantity *= keep
        self.value *= keep
        self.tally.costs += cost.sum(axis=1)
        self.keep = None

    def _liquidate(self, extreme: Matrix | None) -> bool:
        """Empty every pool whose equity meets maintenance at these marks (None: the present ones)."""
        held = self.value[:, : self.perps]
        equity = self.futures
        if extreme is not None:
            equity = equity + self._by_venue(held * extreme)
            held = held * (1.0 + extreme)
        pool = self._pool(held, equity)
        left = equity - pool.maintenance_usd
        holds = pool.notional_usd > 0.0
        np.minimum(self.tally.margin_left, np.where(holds, left, np.inf).min(axis=1, initial=np.inf),
                   out=self.tally.margin_left)
        gone = holds & (left <= 0.0)
        if not gone.any():
            self.pool = pool
            return False
        legs = gone[:, self.venue[: self.perps]] & (held != 0.0)
        self.tally.liquidated[:, : self.perps] |= legs
        self.quantity[:, : self.perps][legs] = 0.0
        self.value[:, : self.perps][legs] = 0.0
        # maintenance is lost at the crossing, somewhere inside the step; what the hedge gains after it is not counted,
        # and the debt stands against that gain until the hedge is sold
        self.futures[gone] = left[gone]
        return True

    def _settle(self, funding: Matrix) -> None:
        """Longs pay the rate on notional at mark, out of the futures wallet."""
        if not np.isfinite(funding).all():
            raise ValueError("funding: every perp needs a known rate in every step; 0 where nothing settles")
        paid = self._by_venue(self.value[:, : self.perps] * funding)
        self.futures -= paid
        self.tally.funding -= paid.sum(axis=1)

    def _happen(self, step: PathStep) -> bool:
        """ADL and recalls at mark, then venues that are gone."""
        if step.closed is not None:
            share = self._ordered(step.closed)
            closed = self.value * share
            cost = np.zeros_like(closed)
            if step.closed_penalty is not None:
                cost = np.abs(closed) * self._ordered(step.closed_penalty)
            self.futures -= self._by_venue(cost[:, : self.perps])
            self.spot += (closed - cost)[:, self.perps :] @ self.at_venue[self.perps :]
            self.quantity *= 1.0 - share
            self.value *= 1.0 - share
            self.tally.costs += cost.sum(axis=1)
        if step.lost is not None:
            kept = ~step.lost[:, self.venue]
            self.quantity *= kept
            self.value *= kept
            for wallet in (self.spot, self.futures, *self.transit):
                wallet[step.lost] = 0.0
        return step.closed is not None or step.lost is not None

    def _decide(self, step: PathStep, events: bool) -> None:
        """Top up, shrink, and trim what stands naked."""
        if not self.rule.acts:
            return
        shrink = self._keep_margin(step.down, events)
        pending = step.down is not None
        if shrink is None and not events and not pending:
            return
        cut = np.ones_like(self.quantity)
        if shrink is not None:
            cut[:, : self.perps] = shrink[:, self.venue[: self.perps]]
        self.keep = cut * (1.0 - excess_share(self.quantity * cut, self.coin, self.of_coin, self.net_start))

    def _keep_margin(self, down: Mask | None, events: bool) -> Matrix | None:
        """Transfers for pools too near their liquidation; the share that each may keep, None if all keep everything."""
        pool = self._pool(self.value[:, : self.perps], self.futures) if events else self.pool
        share = pool.share_of(self.reference)
        if not (share < self.rule.top_up_share).any():
            return None
        wanted = pool.missing_usd(self.reference) - sum(self.transit)
        wanted = np.where(share < self.rule.top_up_share, np.maximum(wanted, 0.0), 0.0)
        taken, moved = top_ups(wanted, np.maximum(self.spot, 0.0), down)
        self.spot -= taken
        self.transit[-1] += moved
        self.tally.topped_up += moved.sum(axis=1)
        low = share < self.rule.reduce_share
        return np.where(low, shrink_share(pool, self.reference), 1.0) if low.any() else None

    def _naked_usd(self) -> Vector:
        """Net notional beyond the book's own, summed over coins, at present marks."""
        share = excess_share(self.quantity, self.coin, self.of_coin, self.net_start)
        total: Vector = np.abs(share * self.value).sum(axis=1)
        return total

    def _pool(self, held: Matrix, equity: Matrix) -> PoolState:
        """Every venue's futures wallet with these positions."""
        return PoolState(equity_usd=equity, notional_usd=self._by_venue(np.abs(held)),
                         maintenance_usd=self._by_venue(maintenance_usd(held, self.floors, self.rates)))

    def _wealth_by_venue(self) -> Matrix:
        """Both wallets and the coins held at each venue, with what is on its way there."""
        total: Matrix = self.spot + self.futures + self.value[:, self.perps :] @ self.at_venue[self.perps :]
        for wallet in self.transit:
            total = total + wallet
        return total

    def _wealth(self) -> Vector:
        """The same over all venues."""
        total: Vector = self._wealth_by_venue().sum(axis=1)
        return total

    def _back(self, of_legs: Matrix | Mask) -> Matrix:
        """Columns in the caller's order."""
        out = np.zeros(of_legs.shape)
        out[:, self.order] = of_legs
        return out

    def _ordered(self, of_legs: Matrix) -> Matrix:
        """Columns in the engine's order."""
        return of_legs if self.in_order else of_legs[:, self.order]

    def _by_venue(self, of_perps: Matrix) -> Matrix:
        """Sum the perps' columns by venue."""
        out: Matrix = of_perps @ self.at_venue[: self.perps]
        return out

    def outcome(self) -> PathOutcome:
        """The end of every path, legs in the caller's order."""
        tally = self.tally
        gross = np.abs(self.quantity).sum(axis=1)
        return PathOutcome(
            wealth_start_usd=self.wealth_start, wealth_usd=self._wealth(), wealth_min_usd=tally.wealth_min,
            drawdown_max=tally.drawdown, under_water_steps=tally.under_water_max, funding_usd=tally.funding,
            costs_usd=tally.costs, topped_up_usd=tally.topped_up, liquidated=self._back(tally.liquidated) > 0.0,
            gross_kept=gross / self.start_gross if self.start_gross else np.ones_like(gross),
            naked_max_usd=tally.naked, margin_left_usd=tally.margin_left,
            legs_end_usd=self._back(self.value), wealth_venue_usd=self._wealth_by_venue(),
        )


class _Tally:
    """What is remembered of each path besides its state."""

    def __init__(self, paths: int, legs: int, wealth: float) -> None:
        self.wealth_min, self.peak = np.full(paths, wealth), np.full(paths, wealth)
        self.drawdown, self.under_water, self.under_water_max = np.zeros(paths), np.zeros(paths), np.zeros(paths)
        self.funding, self.costs, self.topped_up, self.naked = (np.zeros(paths) for _ in range(4))
        self.liquidated = np.zeros((paths, legs), dtype=bool)
        self.margin_left = np.full(paths, np.inf)

    def after(self, wealth: Vector, naked_usd: Vector | None) -> None:
        """Fold in the wealth at the end of a step and what stands naked after its events."""
        np.minimum(self.wealth_min, wealth, out=self.wealth_min)
        np.maximum(self.peak, wealth, out=self.peak)
        with np.errstate(invalid="ignore", divide="ignore"):
            np.fmax(self.drawdown, 1.0 - wealth / self.peak, out=self.drawdown)
        self.under_water = np.where(wealth < self.peak, self.under_water + 1.0, 0.0)
        np.maximum(self.under_water_max, self.under_water, out=self.under_water_max)
        if naked_usd is not None:
            np.maximum(self.naked, naked_usd, out=self.naked)


def _column(value: Vector | float) -> Matrix | float:
    """A number per path, ready to multiply a matrix of paths by legs."""
    return value[:, None] if isinstance(value, np.ndarray) else value

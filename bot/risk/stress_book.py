"""The book that stress is applied to, and what each scenario does to it as arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from bot.domain.instrument import MarginTier
from bot.domain.values import Coin, InstrumentId, Venue
from bot.quant.path_book import BookLegs, BookPools, Ints, Mask, PathStep
from bot.quant.tail_risk import Matrix, Vector
from bot.risk.scenarios import MAJORS, Scenario


class StressLeg(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's net in one instrument, valued at mark (perp) or mid (spot)."""

    instrument: InstrumentId
    venue: Venue
    coin: Coin
    is_perp: bool
    notional_usd: float
    """Signed."""
    taker_fee: float
    half_spread: float
    """Of price, in calm markets."""
    tiers: tuple[MarginTier, ...] = ()
    sigma_daily: float = math.nan
    """The coin's volatility forecast, fraction per day; NaN: not known, scenarios told in it are not computed."""


class StressPool(msgspec.Struct, frozen=True, kw_only=True):
    """The two wallets of a venue."""

    venue: Venue
    quote: str
    """The stablecoin both are held in."""
    spot_cash_usd: float
    futures_equity_usd: float
    """Wallet and unrealised P&L."""
    reference_distance: float | None = None
    """Distance to liquidation that the margin keeper steers to; None: the one now."""


class StressBook(msgspec.Struct, frozen=True, kw_only=True):
    """All legs and wallets."""

    legs: tuple[StressLeg, ...]
    pools: tuple[StressPool, ...]

    @property
    def coins(self) -> tuple[Coin, ...]:
        """Coins of the legs, in order of first appearance."""
        return tuple(dict.fromkeys(leg.coin for leg in self.legs))

    @property
    def equity_usd(self) -> float:
        """Both wallets and the coins held."""
        cash = sum(pool.spot_cash_usd + pool.futures_equity_usd for pool in self.pools)
        return cash + sum(leg.notional_usd for leg in self.legs if not leg.is_perp)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario as told of this book: of one venue, or of one stablecoin, where it is told once per each."""

    scenario: Scenario
    name: str
    venue: int = -1
    quote: str = ""


def tell(scenarios: Sequence[Scenario], book: StressBook) -> tuple[tuple[Told, ...], tuple[str, ...]]:
    """The scenarios of this book; and the names of those that need a volatility which is not known."""
    told: list[Told] = []
    unknown: list[str] = []
    sigmas_known = all(leg.sigma_daily > 0.0 for leg in book.legs)
    for scenario in scenarios:
        if scenario.sigmas and not sigmas_known:
            unknown.append(scenario.name)
        elif scenario.each_venue:
            told += [Told(scenario=scenario, name=f"{scenario.name}:{pool.venue}", venue=place)
                     for place, pool in enumerate(book.pools)]
        elif scenario.quote_value < 1.0:
            quotes = dict.fromkeys(pool.quote for pool in book.pools)
            told += [Told(scenario=scenario, name=f"{scenario.name}:{quote}", quote=quote) for quote in quotes]
        else:
            told.append(Told(scenario=scenario, name=scenario.name))
    return tuple(told), tuple(unknown)


def arrays_of(book: StressBook) -> tuple[BookLegs, BookPools]:
    """The book as the path engine takes it.

    Raises:
        ValueError: if a leg's venue has no pool.
    """
    venues = {pool.venue: place for place, pool in enumerate(book.pools)}
    missing = [leg.instrument for leg in book.legs if leg.venue not in venues]
    if missing:
        raise ValueError(f"{missing[0]}: its venue has no pool in the stress book")
    coins = {coin: place for place, coin in enumerate(book.coins)}
    width = max([len(leg.tiers) for leg in book.legs] + [1])
    floors, rates = np.full((len(book.legs), width), np.inf), np.zeros((len(book.legs), width))
    for row, leg in enumerate(book.legs):
        for column, tier in enumerate(leg.tiers):
            floors[row, column], rates[row, column] = float(tier.floor_usd), float(tier.maintenance_rate)
        rates[row, len(leg.tiers):] = rates[row, len(leg.tiers) - 1] if leg.tiers else 0.0
    legs = BookLegs(
        notional_usd=np.array([leg.notional_usd for leg in book.legs], dtype=np.float64),
        is_perp=np.array([leg.is_perp for leg in book.legs], dtype=np.bool_),
        venue=np.array([venues[leg.venue] for leg in book.legs], dtype=np.intp),
        coin=np.array([coins[leg.coin] for leg in book.legs], dtype=np.intp),
        fee_rate=np.array([leg.taker_fee for leg in book.legs]),
        half_spread=np.array([leg.half_spread for leg in book.legs]),
        tier_floor_usd=floors, tier_rate=rates,
    )
    spot, futures = (np.array(cash, dtype=np.float64) for cash in (
        [pool.spot_cash_usd for pool in book.pools], [pool.futures_equity_usd for pool in book.pools]))
    return legs, BookPools(spot_cash_usd=spot, futures_equity_usd=futures)


def steps_of(told: Sequence[Told], book: StressBook, legs: BookLegs) -> list[PathStep]:
    """Every scenario as one path; a still step at the end leaves time for the last repair."""
    count = max(len(each.scenario.path) for each in told) + 1
    level = _levels(told, book, legs, count)
    returns = level[1:] / level[:-1] - 1.0
    funding = _funding(told, book, legs, count)
    reaction = np.array([min(each.scenario.reaction_s / (each.scenario.step_h * 3600.0), 1.0) for each in told])
    spread_x = np.array([each.scenario.spread_x for each in told])
    closed, penalty, down, lost = _events(told, book, legs, level)
    return [
        PathStep(
            returns=returns[place], funding=None if funding is None else funding[place], reaction=reaction,
            spread_x=spread_x, closed=_if_any(closed[place]), closed_penalty=_if_any(penalty[place]),
            lost=lost[place] if lost[place].any() else None, down=down[place] if down[place].any() else None,
        )
        for place in range(count)
    ]


def _if_any(array: Matrix) -> Matrix | None:
    return array if array.any() else None


def _events(told: Sequence[Told], book: StressBook, legs: BookLegs,
            level: Matrix) -> tuple[Matrix, Matrix, Mask, Mask]:
    """Legs closed against us and at which loss, venues down and lost; shape (count, n_told, n_legs or n_venues)."""
    count = len(level) - 1
    side = np.sign(legs.notional_usd)
    recalled = (side < 0.0) & ~legs.is_perp
    closed, penalty = np.zeros((2, count, len(told), len(side)))
    down, lost = np.zeros((2, count, len(told), len(book.pools)), dtype=np.bool_)
    for row, each in enumerate(told):
        scenario = each.scenario
        if scenario.adl_step >= 0:
            gains = legs.is_perp & (side * (level[scenario.adl_step + 1, row] - 1.0) > 0.0)
            closed[scenario.adl_step, row, gains] = scenario.adl_share
        if scenario.recall_penalty > 0.0:
            closed[0, row, recalled], penalty[0, row, recalled] = 1.0, scenario.recall_penalty
        if each.venue >= 0:
            down[list(scenario.down_steps), row, each.venue] = True
            if scenario.lost_step >= 0:
                lost[scenario.lost_step, row, each.venue] = True
    return closed, penalty, down, lost


def _levels(told: Sequence[Told], book: StressBook, legs: BookLegs, count: int) -> Matrix:
    """Price over that of the start; shape (count + 1, n_told, n_legs)."""
    share, basis = np.zeros((2, count + 1, len(told)))
    log_move = np.zeros((len(told), len(legs.coin)))
    sigma = np.array([leg.sigma_daily for leg in book.legs])
    coins = book.coins
    quotes = {pool.venue: pool.quote for pool in book.pools}
    for row, each in enumerate(told):
        scenario = each.scenario
        share[1:, row] = (*scenario.path, *[scenario.path[-1]] * (count - len(scenario.path)))
        last = scenario.basis[-1] if scenario.basis else 0.0
        basis[1:, row] = (*scenario.basis, *[last] * (count - len(scenario.basis)))
        log_move[row] = np.log1p([scenario.moves.get(coin, scenario.other) for coin in coins])[legs.coin]
        if each.quote:
            priced_in = [quotes[leg.venue] == each.quote for leg in book.legs]
            log_move[row] -= np.where(priced_in, math.log(scenario.quote_value), 0.0)
        if scenario.correlation is not None:
            log_move[row] += worst_move(legs.notional_usd, sigma, legs.coin, scenario.correlation) * scenario.sigmas
        elif scenario.sigmas:
            log_move[row] += scenario.sigmas * sigma
    level = np.exp(share[:, :, None] * log_move)
    out: Matrix = level * (1.0 + basis[:, :, None] * legs.is_perp)
    return out


def worst_move(notional_usd: Vector, sigma: Vector, coin: Ints, correlation: float) -> Vector:
    """The move of one standard deviation of the book against it: -S b / sqrt(b' S b), per leg; zeros for a flat book.

    Among all moves that are as likely under an elliptical law with covariance S it is the one that this book loses
    most in (Studer 1997), and what it loses is its own standard deviation.

    Args:
        notional_usd: shape (n_legs,), signed.
        sigma: shape (n_legs,), of the leg's coin.
        coin: shape (n_legs,), legs of one coin move as one.
        correlation: between any two coins.
    """
    same = coin[:, None] == coin[None, :]
    covariance = np.where(same, 1.0, correlation) * sigma[:, None] * sigma[None, :]
    pull = covariance @ notional_usd
    variance = float(notional_usd @ pull)
    gross = float(np.abs(notional_usd) @ sigma)
    if variance <= (1e-9 * gross) ** 2:
        return np.zeros(len(notional_usd))
    out: Vector = -pull / math.sqrt(variance)
    return out


def _funding(told: Sequence[Told], book: StressBook, legs: BookLegs, count: int) -> Matrix | None:
    """Rates at the end of each step, shape (count, n_told, n_legs): only what the leg pays; None if nothing is paid."""
    if not any(each.scenario.funding or each.scenario.funding_coins for each in told):
        return None
    rates = np.zeros((count, len(told), len(legs.coin)))
    for row, each in enumerate(told):
        scenario = each.scenario
        if not (scenario.funding or scenario.funding_coins):
            continue
        for column, leg in enumerate(book.legs):
            usual = scenario.funding if leg.coin in MAJORS else scenario.funding_other
            of_leg = scenario.funding_coins.get(leg.coin, usual) if leg.is_perp else ()
            rates[: len(of_leg), row, column] = of_leg
    pays = np.sign(legs.notional_usd) * rates > 0.0
    return np.where(pays, rates, 0.0)

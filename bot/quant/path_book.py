"""What a book of legs is made of, what can happen to it in one step, and what is known of it at the end of its paths.

Arrays in, arrays out: `book_paths` carries such a book along. Source: quant-reference sections 2.4 and 14.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from bot.quant.tail_risk import Matrix, Vector

Ints = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


class BookLegs(msgspec.Struct, frozen=True, kw_only=True):
    """One row per instrument (a venue nets its owners); the arrays have shape (n_legs,) unless they say otherwise."""

    notional_usd: Vector
    """Signed, at the marks of the start."""
    is_perp: Mask
    venue: Ints
    coin: Ints
    """Legs of one coin hedge each other: what is lost on one side is trimmed on the other."""
    fee_rate: Vector
    """Taker fee, of notional."""
    half_spread: Vector
    """Of price, in calm markets."""
    tier_floor_usd: Matrix
    """Shape (n_legs, n_tiers), ascending, the first 0; missing tiers are inf. Spot: any."""
    tier_rate: Matrix
    """Shape (n_legs, n_tiers), maintenance rate of the part above each floor."""


class BookPools(msgspec.Struct, frozen=True, kw_only=True):
    """The wallets of each venue, shape (n_venues,)."""

    spot_cash_usd: Vector
    """Free stablecoin in the spot wallet; coins held are legs."""
    futures_equity_usd: Vector
    """Wallet and unrealised P&L at the marks of the start."""


class KeeperRule(msgspec.Struct, frozen=True, kw_only=True):
    """How the margin keeper acts between steps; shares are of the distance to liquidation at the start."""

    top_up_share: float = 0.60
    reduce_share: float = 0.40
    transfer_delay_steps: int = 0
    """Whole steps that a transfer misses; 0 arrives before the next move."""
    acts: bool = True
    """False: nobody is there; liquidation and funding alone."""
    reference_distance: Vector | None = None
    """Shape (n_venues,), the distance the keeper steers to; None: the one at the start."""


class PathStep(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to every path in one step; matrices of legs have shape (n_paths, n_legs), None: does not occur."""

    returns: Matrix
    """Simple return of each leg's mark (perp) or price (spot) over the step."""
    funding: Matrix | None = None
    """Rate that longs pay at the end of the step, summed over its settlements; fraction of notional; spot 0."""
    low: Matrix | None = None
    """Lowest mark inside the step over the one at its start, as a return; with `high`."""
    high: Matrix | None = None
    reaction: Vector | float = 0.0
    """Share of the move that has happened before a repair trades, 0..1; scalar or (n_paths,)."""
    spread_x: Vector | float = 1.0
    """Half-spreads of this step over calm ones; scalar or (n_paths,)."""
    closed: Matrix | None = None
    """Share of each leg closed against us at the end of the step, at mark (ADL, recall), 0..1."""
    closed_penalty: Matrix | None = None
    """Loss on what is so closed, of its notional."""
    lost: Mask | None = None
    """Shape (n_paths, n_venues): all that the venue holds is gone."""
    down: Mask | None = None
    """Shape (n_paths, n_venues): no trade, no transfer there in this step."""


class PathOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How each path ended; vectors have shape (n_paths,), legs stand in the order given."""

    wealth_start_usd: float
    wealth_usd: Vector
    wealth_min_usd: Vector
    drawdown_max: Vector
    """Deepest fall below a former peak, 0..1 (above 1 if more than everything is lost)."""
    under_water_steps: Vector
    """The longest stretch below a former peak."""
    funding_usd: Vector
    """Received less paid."""
    costs_usd: Vector
    """Fees, spreads and penalties of forced and protective trades."""
    topped_up_usd: Vector
    liquidated: Mask
    """Shape (n_paths, n_legs)."""
    gross_kept: Vector
    """Quantity left over quantity at the start, over all legs at starting marks."""
    naked_max_usd: Vector
    """Largest net notional (sum over coins) beyond the book's own, right after an event and before its repair."""
    margin_left_usd: Vector
    """Least of equity - maintenance over steps and pools that hold something; inf without perps."""
    legs_end_usd: Matrix
    """Shape (n_paths, n_legs), signed notionals at the end."""
    wealth_venue_usd: Matrix
    """Shape (n_paths, n_venues), the end's wealth where it lies."""


def maintenance_usd(notional_usd: Matrix, tier_floor_usd: Matrix, tier_rate: Matrix) -> Matrix:
    """Maintenance margin by marginal tiers, continuous in the notional; shape of `notional_usd` (n_paths, n_legs)."""
    gross = np.abs(notional_usd)
    margin: Matrix = gross * tier_rate[:, 0]
    top = gross.max(axis=0, initial=0.0)
    for tier in range(1, tier_rate.shape[1]):
        if not (tier_floor_usd[:, tier] < top).any():
            break
        margin += np.maximum(gross - tier_floor_usd[:, tier], 0.0) * (tier_rate[:, tier] - tier_rate[:, tier - 1])
    return margin

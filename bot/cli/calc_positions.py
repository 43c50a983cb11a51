"""Calculators of single positions and pairs: funding, breakeven, liquidation, size, blend."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import typer

from bot.cli import arguments as args
from bot.cli.calc_options import (
    Direction,
    IntervalH,
    Leverage,
    Notional,
    Rate,
    Reserve,
    Symbol,
    Venue,
    finite,
    listed,
    positive,
    share,
    side_of,
)
from bot.cli.calc_show import show
from bot.domain.errors import DataRefused


def funding(
    rate: Annotated[float | None, typer.Option(help="Fraction per interval that longs pay: 0.0001 is 1 bp.")] = None,
    premium: Annotated[float | None, typer.Option(help="Average premium instead; needs --venue, --symbol.")] = None,
    interval_h: IntervalH = 8.0, notional: Notional = 10_000.0, side: Direction = "short",
    days: Annotated[float, typer.Option(help="How long it is held.")] = 30.0,
    venue: Venue = None, symbol: Symbol = None, as_json: args.Json = False,
) -> int:
    """What a funding rate pays over days and per year; or what a premium becomes under a venue's rule."""
    from bot.research import calc_carry

    if premium is not None:
        if rate is not None or venue is None or symbol is None:
            raise typer.BadParameter("--premium goes with --venue and --symbol, and without --rate")
        instrument = listed(venue, symbol, perp=True)
        if instrument.funding is None:
            raise DataRefused(f"{instrument.id}: the shipped table has no funding rule; give --rate instead")
        return show(calc_carry.funding_of_premium(finite("--premium", premium), instrument.funding, instrument.id),
                    as_json)
    if rate is None:
        raise typer.BadParameter("give --rate, or --premium with --venue and --symbol")
    return show(calc_carry.funding(finite("--rate", rate), positive("--interval-h", interval_h),
                                   positive("--notional", notional), side_of(side), positive("--days", days)), as_json)


def breakeven(
    rate: Rate, cost_bps: Annotated[float, typer.Option(help="All four fills: fees, half-spreads, impact.")] = 30.0,
    interval_h: IntervalH = 8.0, notional: Notional = 10_000.0,
    mean: Annotated[float | None, typer.Option(help="Rate it returns to; default: it stays.")] = None,
    phi: Annotated[float, typer.Option(help="Persistence per settlement, in [0, 1].")] = 1.0,
    basis_bps: Annotated[float, typer.Option(help="Basis at entry less its median: a rich one is income.")] = 0.0,
    hurdle_annual: Annotated[float, typer.Option(help="What the capital would earn idle, per year.")] = 0.0,
    leverage: Leverage = 3.0, reserve: Reserve = 0.1,
    perp_legs: Annotated[int, typer.Option(min=1, max=2, help="1: spot and perp; 2: perps at two venues.")] = 1,
    horizon_days: Annotated[float, typer.Option(help="Where the net carry is also shown.")] = 30.0,
    as_json: args.Json = False,
) -> int:
    """How long a hedged pair must be held to earn its costs back."""
    from bot.research import calc_carry

    if not 0.0 <= phi <= 1.0:
        raise typer.BadParameter(f"--phi {phi:g}: must lie in [0, 1]")
    if not 0.0 <= cost_bps < float("inf"):
        raise typer.BadParameter(f"--cost-bps {cost_bps:g}: must be 0 or more")
    return show(calc_carry.breakeven(
        rate=finite("--rate", rate), interval_h=positive("--interval-h", interval_h), cost_bps=cost_bps,
        notional_usd=positive("--notional", notional), mean=None if mean is None else finite("--mean", mean), phi=phi,
        basis_bps=finite("--basis-bps", basis_bps), hurdle_annual=finite("--hurdle-annual", hurdle_annual),
        leverage=positive("--leverage", leverage), reserve=finite("--reserve", reserve), perp_legs=perp_legs,
        horizon_days=positive("--horizon-days", horizon_days)), as_json)


def liquidation(
    entry: Annotated[float, typer.Option(help="Entry price.")],
    leverage: Leverage = 3.0, side: Direction = "short",
    quantity: Annotated[float, typer.Option(help="Base units; decides the tier.")] = 1.0,
    maintenance_rate: Annotated[float | None, typer.Option(help="Maintenance margin rate, such as 0.004.")] = None,
    fee_rate: Annotated[float, typer.Option(help="Closing fee that the venue adds to the requirement.")] = 0.0,
    extra_margin: Annotated[float, typer.Option(help="USD added beyond the initial margin.")] = 0.0,
    wallet: Annotated[float | None, typer.Option(help="Cross margin: the futures wallet in USD.")] = None,
    mm_at: Annotated[Literal["mark", "entry"], typer.Option(help="Maintenance at mark, or at entry (old Bybit).")]
    = "mark",
    contract: Annotated[Literal["linear", "inverse"], typer.Option(help="Margined in USD, or in the coin.")] = "linear",
    venue: Venue = None, symbol: Symbol = None, as_json: args.Json = False,
) -> int:
    """The mark price at which a position is liquidated, from its leverage or its wallet."""
    from bot.research import calc_margin

    positive("--entry", entry)
    positive("--leverage", leverage)
    positive("--quantity", quantity)
    if (venue is None) != (symbol is None) or (venue is None) == (maintenance_rate is None):
        raise typer.BadParameter("give either --maintenance-rate, or --venue and --symbol for the shipped tiers")
    tiers = () if venue is None or symbol is None else listed(venue, symbol, perp=True).tiers
    if maintenance_rate is not None:
        rate, constant = share("--maintenance-rate", maintenance_rate), 0.0
    elif tiers:
        rate, constant, allowed = calc_margin.tier_of(tiers, quantity * entry)
        if wallet is None and leverage > allowed:
            raise typer.BadParameter(f"--leverage {leverage:g}: the tier of {quantity * entry:,.0f} USD at {venue}"
                                     f" allows {allowed}x")
    else:
        raise DataRefused(f"--venue {venue} --symbol {symbol}: the shipped table has no tiers; use --maintenance-rate")
    if wallet is not None:
        if not tiers or contract == "inverse":
            raise typer.BadParameter("--wallet (cross margin) needs --venue and --symbol of a linear contract")
        return show(calc_margin.liquidation_cross(
            side=side_of(side), entry=entry, quantity=quantity, wallet_usd=positive("--wallet", wallet), tiers=tiers),
            as_json)
    return show(calc_margin.liquidation(
        side=side_of(side), entry=entry, leverage=leverage, maintenance_rate=rate, tier_constant_usd=constant,
        quantity=quantity, fee_rate=finite("--fee-rate", fee_rate), extra_margin_usd=finite("--extra-margin",
        extra_margin), mm_at=mm_at, contract=contract), as_json)


def size(
    capital: Annotated[float, typer.Option(help="USD that may be bound (or equity, with --stop-pct).")],
    price: Annotated[str | None, typer.Option(help="Price of the coin, for a pair.")] = None,
    venue: Venue = None, symbol: Symbol = None,
    short_venue: Annotated[str | None, typer.Option(help="Second venue: perp against perp.")] = None,
    leverage: Leverage = 3.0, reserve: Reserve = 0.1,
    risk_pct: Annotated[float, typer.Option(help="Share of equity a stop may lose, in per cent.")] = 1.0,
    stop_pct: Annotated[float | None, typer.Option(help="Distance of the stop in per cent: size by risk instead.")]
    = None,
    as_json: args.Json = False,
) -> int:
    """What an account can carry: a hedged pair on both legs' grids, or a position by the loss at its stop."""
    from bot.research import calc_margin

    positive("--capital", capital)
    if stop_pct is not None:
        return show(calc_margin.risk_size(equity_usd=capital, risk_share=share("--risk-pct / 100", risk_pct / 100.0),
                                          stop_distance=share("--stop-pct / 100", stop_pct / 100.0)), as_json)
    if price is None or venue is None or symbol is None:
        raise typer.BadParameter("a pair needs --price, --venue and --symbol; sizing by risk needs --stop-pct")
    usd = args.parsed("--price", _price, price)
    assert usd is not None, "it was given"
    long_leg = listed(venue, symbol, perp=short_venue is not None)
    short_leg = listed(short_venue or venue, symbol, perp=True)
    return show(calc_margin.pair_size(
        capital_usd=capital, price=usd, long_leg=long_leg, short_leg=short_leg,
        leverage=positive("--leverage", leverage), reserve=finite("--reserve", reserve)), as_json)


def _price(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except ArithmeticError:
        value = Decimal("NaN")
    if not value.is_finite() or value <= 0:
        raise typer.BadParameter(f"{text!r} is no price")
    return value


def blend(
    capital: Annotated[float, typer.Option(help="USD in all.")] = 5_000.0,
    core_share: Annotated[float, typer.Option(help="Share of capital in carry.")] = 0.7,
    core_annual: Annotated[float, typer.Option(help="Return of the carry part, per year.")] = 0.08,
    overlay_low: Annotated[float, typer.Option(help="Return of the rest, lower case.")] = 0.15,
    overlay_high: Annotated[float, typer.Option(help="Return of the rest, upper case.")] = 0.20,
    claimed: Annotated[float | None, typer.Option(help="A claimed return to take apart, per year.")] = None,
    as_json: args.Json = False,
) -> int:
    """What a split of capital between carry and overlay can return, and what a claim would need."""
    from bot.research import calc_carry

    return show(calc_carry.blend(
        positive("--capital", capital), share("--core-share", core_share), finite("--core-annual", core_annual),
        (finite("--overlay-low", overlay_low), finite("--overlay-high", overlay_high)),
        None if claimed is None else finite("--claimed", claimed)), as_json)

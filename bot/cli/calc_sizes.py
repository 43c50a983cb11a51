"""Calculators of how much: leverage-cap, kelly, beta-hedge."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli import arguments as args
from bot.cli.calc_options import Direction, Symbol, Venue, finite, listed, positive, share
from bot.cli.calc_show import show
from bot.domain.errors import DataRefused


def leverage_cap(
    sigma_annual: Annotated[float, typer.Option(help="Volatility per year, a fraction: 0.55.")],
    side: Direction = "short",
    p: Annotated[float, typer.Option("--p", help="Accepted chance of liquidation per rebalance.")] = 1e-4,
    nu: Annotated[float, typer.Option(help="Degrees of freedom of the tail; 3 for majors.")] = 3.0,
    rebalance_h: Annotated[float, typer.Option(help="Hours to the next rebalance.")] = 8.0,
    reaction_h: Annotated[float, typer.Option(help="Hours from alarm to finished top-up.")] = 1.0,
    maintenance_rate: Annotated[float | None, typer.Option(help="Maintenance margin rate, such as 0.004.")] = None,
    notional: Annotated[float, typer.Option(help="Decides the tier of --venue and --symbol.")] = 10_000.0,
    close_fee: Annotated[float, typer.Option(help="Closing fee in the venue's requirement.")] = 0.0,
    jump: Annotated[float | None, typer.Option(help="The coin's own worst move in 8 h, a log return.")] = None,
    config_max: Annotated[float | None, typer.Option(help="Your own ceiling.")] = None,
    p_year: Annotated[float | None, typer.Option(help="Also show what a yearly budget means.")] = None,
    venue: Venue = None, symbol: Symbol = None, as_json: args.Json = False,
) -> int:
    """The highest leverage at which the mark reaches liquidation with probability p at most."""
    from bot.quant.leverage_cap import CapRules
    from bot.research import calc_margin, calc_sizes

    if (venue is None) != (symbol is None) or (venue is None) == (maintenance_rate is None):
        raise typer.BadParameter("give either --maintenance-rate, or --venue and --symbol for the shipped tiers")
    tier_max: float | None = None
    if maintenance_rate is not None:
        rate = share("--maintenance-rate", maintenance_rate)
    else:
        assert venue is not None
        assert symbol is not None
        tiers = listed(venue, symbol, perp=True).tiers
        if not tiers:
            raise DataRefused(f"--venue {venue} --symbol {symbol}: the shipped table has no tiers;"
                              " use --maintenance-rate")
        rate, _, allowed = calc_margin.tier_of(tiers, positive("--notional", notional))
        tier_max = float(allowed)
    try:
        rules = CapRules(touch_probability=p, nu=nu, rebalance_h=rebalance_h, reaction_h=reaction_h)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return show(calc_sizes.cap(
        side=side, sigma_annual=positive("--sigma-annual", sigma_annual), rules=rules, maintenance_rate=rate,
        close_fee=finite("--close-fee", close_fee), jump=None if jump is None else positive("--jump", jump),
        tier_max=tier_max, config_max=None if config_max is None else positive("--config-max", config_max),
        p_year=None if p_year is None else share("--p-year", p_year)), as_json)


def kelly(
    mu: Annotated[float | None, typer.Option(help="Expected excess return per year, a fraction.")] = None,
    sigma: Annotated[float | None, typer.Option(help="Volatility per year, a fraction.")] = None,
    jumps: Annotated[float, typer.Option(help="Failures a year: venue, ADL, liquidation.")] = 0.0,
    jump_loss: Annotated[float, typer.Option(help="What one takes, as a share of notional.")] = 0.0,
    t_statistic: Annotated[float | None, typer.Option(help="t-statistic of mu; shrinks the edge.")] = None,
    fraction: Annotated[float, typer.Option(help="Share of full Kelly to hold.")] = 0.5,
    fall_to: Annotated[float, typer.Option(help="Level of wealth whose chance is shown.")] = 0.5,
    win_probability: Annotated[float | None, typer.Option(help="A coin instead, with --odds.")] = None,
    odds: Annotated[float | None, typer.Option(help="Odds b to 1.")] = None,
    as_json: args.Json = False,
) -> int:
    """How much to hold for growth, failures included; or how much to bet on a coin."""
    from bot.research import calc_sizes

    if win_probability is not None and odds is not None:
        return show(calc_sizes.kelly_bet(win_probability, odds, fraction), as_json)
    if mu is None or sigma is None:
        raise typer.BadParameter("give --mu and --sigma, or --win-probability and --odds")
    if (jumps > 0) != (jump_loss > 0) or jumps < 0 or not 0 <= jump_loss < 1:
        raise typer.BadParameter("--jumps above 0 goes with --jump-loss between 0 and 1")
    return show(calc_sizes.kelly(
        mu=finite("--mu", mu), sigma=positive("--sigma", sigma), jumps_per_year=finite("--jumps", jumps),
        jump_loss=jump_loss, t_statistic=None if t_statistic is None else finite("--t-statistic", t_statistic),
        fraction=positive("--fraction", fraction), fall_to=share("--fall-to", fall_to)), as_json)


def beta_hedge(
    exposure: Annotated[float, typer.Option(help="The book in USD; negative is short.")],
    beta: Annotated[float, typer.Option(help="Its beta to the market.")],
    hedge_beta: Annotated[float, typer.Option(help="Beta of the hedging instrument.")] = 1.0,
    target: Annotated[float, typer.Option(help="Beta wanted; 0 is neutral.")] = 0.0,
    capital: Annotated[float | None, typer.Option(help="What the target speaks of; default: the book.")] = None,
    as_json: args.Json = False,
) -> int:
    """The overlay that brings a book to a target beta."""
    from bot.research import calc_sizes

    if hedge_beta == 0:
        raise typer.BadParameter("--hedge-beta 0: an instrument without beta hedges nothing")
    if exposure == 0:
        raise typer.BadParameter("--exposure 0: there is nothing to hedge")
    return show(calc_sizes.beta_hedge(
        exposure_usd=finite("--exposure", exposure), beta=finite("--beta", beta), target=finite("--target", target),
        hedge_beta=finite("--hedge-beta", hedge_beta),
        capital_usd=None if capital is None else positive("--capital", capital)), as_json)

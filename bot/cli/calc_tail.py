"""Calculators of tail risk: var, coverage, stress."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.cli import arguments as args
from bot.cli.calc_options import Leverage, Notional, Reserve, finite, listed, positive, share
from bot.cli.calc_show import show

Level = Annotated[float, typer.Option(help="Confidence: 0.99 for a 99 % VaR.")]
File = Annotated[Path | None, typer.Option("--data", metavar="FILE", help="A CSV or Parquet file, a row a period.")]


def var(
    data: File = None, column: Annotated[str, typer.Option(help="Column of returns (fractions).")] = "return",
    sigma: Annotated[float | None, typer.Option(help="Volatility of one period instead of a file.")] = None,
    level: Level = 0.99, notional: Notional = 10_000.0,
    nu: Annotated[float, typer.Option(help="Degrees of freedom of the t; above 2.")] = 4.0,
    as_json: args.Json = False,
) -> int:
    """VaR and ES of the next period: by five methods from a series, or in closed form from a volatility."""
    from bot.research import calc_tail
    from bot.storage.history_columns import read_columns

    share("--level", level)
    if not nu > 2.0:
        raise typer.BadParameter(f"--nu {nu:g}: must be above 2; below there is no variance")
    if (data is None) == (sigma is None):
        raise typer.BadParameter("give either --data FILE with --column, or --sigma")
    if data is None:
        assert sigma is not None
        return show(calc_tail.var_parametric(sigma=positive("--sigma", sigma), level=level, nu=nu,
                                             notional_usd=positive("--notional", notional)), as_json)
    (values,) = read_columns(data, (column,))
    return show(calc_tail.var_of_series(values, level=level, notional_usd=positive("--notional", notional), nu=nu,
                                        source=f"{data.name}:{column}"), as_json)


def coverage(
    level: Level = 0.95,
    days: Annotated[int, typer.Option(min=1, max=100_000, help="Forecasts with an outcome.")] = 365,
    breaches: Annotated[int | None, typer.Option(min=0, help="How many lost more than forecast.")] = None,
    data: File = None, pnl_column: Annotated[str, typer.Option(help="P&L, gains positive.")] = "pnl",
    var_column: Annotated[str, typer.Option(help="The VaR that was forecast, positive.")] = "var",
    as_json: args.Json = False,
) -> int:
    """How many breaches a right VaR has; and whether a record passes Kupiec's and Christoffersen's tests."""
    from bot.research import calc_tail
    from bot.storage.history_columns import read_columns

    share("--level", level)
    if data is not None:
        pnl, forecast = read_columns(data, (pnl_column, var_column))
        return show(calc_tail.coverage_of_record(pnl, forecast, level=level, source=data.name), as_json)
    if breaches is not None and breaches > days:
        raise typer.BadParameter(f"--breaches {breaches}: more than --days {days}")
    return show(calc_tail.coverage(days=days, level=level, breached=breaches), as_json)


def stress(
    venue: Annotated[str, typer.Option(help="Of both legs, or of the long one with --short-venue.")] = "binance",
    symbol: Annotated[str, typer.Option(help="Base coin.")] = "BTC",
    short_venue: Annotated[str | None, typer.Option(help="Second venue: perp against perp.")] = None,
    notional: Notional = 10_000.0, leverage: Leverage = 3.0, reserve: Reserve = 0.1,
    idle: Annotated[float, typer.Option(help="Other cash in the spot wallets, USD.")] = 0.0,
    sigma_daily: Annotated[float, typer.Option(help="The coin's volatility per day, a fraction.")] = 0.03,
    half_spread_bps: Annotated[float, typer.Option(help="Half the spread in calm markets.")] = 1.0,
    as_json: args.Json = False,
) -> int:
    """What the history and the standard scenarios do to one hedged pair: P&L, margin, liquidation, recovery."""
    from bot.research import calc_tail
    from bot.risk.scenarios import SCENARIOS
    from bot.risk.stress import StressLimits

    usd = positive("--notional", notional)
    if idle < 0.0:
        raise typer.BadParameter(f"--idle {idle:g}: must be 0 or more")
    long_leg = listed(venue, symbol, perp=short_venue is not None)
    short_leg = listed(short_venue or venue, symbol, perp=True)
    perps = 2 if short_venue is not None else 1
    collateral = usd * (perps / positive("--leverage", leverage) + finite("--reserve", reserve))
    return show(calc_tail.pair_stress(
        long_leg=long_leg, short_leg=short_leg, notional_usd=usd, collateral_usd=collateral,
        idle_usd=finite("--idle", idle), sigma_daily=positive("--sigma-daily", sigma_daily),
        half_spread=positive("--half-spread-bps", half_spread_bps) / 1e4, limits=StressLimits(),
        scenarios=SCENARIOS), as_json)

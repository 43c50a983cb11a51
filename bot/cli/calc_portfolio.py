"""Calculators of portfolios: capm, size-cut, frontier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.cli import arguments as args
from bot.cli.calc_options import Direction, finite, positive, share
from bot.cli.calc_show import show

File = Annotated[Path | None, typer.Option("--data", metavar="FILE", help="A CSV or Parquet file, a row a day.")]


def capm(
    beta: Annotated[float | None, typer.Option(help="To the market.")] = None,
    premium: Annotated[float | None, typer.Option(help="The market's expected excess return per year.")] = None,
    leverage: Annotated[float, typer.Option(help="Signed notional over equity; negative is short.")] = 1.0,
    funding: Annotated[float, typer.Option(help="Funding per 8 h, positive when longs pay.")] = 0.0,
    alpha: Annotated[float, typer.Option(help="Of notional, per year.")] = 0.0,
    collateral: Annotated[float, typer.Option(help="What the venue pays on equity, per year.")] = 0.0,
    risk_free: Annotated[float, typer.Option(help="Cash rate, for the textbook form beside it.")] = 0.0,
    data: File = None, column: Annotated[str, typer.Option(help="Returns to explain.")] = "return",
    factors: Annotated[str, typer.Option(metavar="A,B", help="Columns of factors, the market first.")] = "market",
    periods: Annotated[float, typer.Option(help="Rows per year: 365, or 52.14 for weeks.")] = 365.0,
    as_json: args.Json = False,
) -> int:
    """Expected return on equity of a perpetual position; or betas with their errors from a file."""
    from bot.research import calc_portfolio

    if data is not None:
        import numpy as np

        from bot.storage.history_columns import read_columns

        names = tuple(name.strip() for name in factors.split(",") if name.strip())
        if not names:
            raise typer.BadParameter("--factors: name at least one column")
        columns = read_columns(data, (column, *names))
        return show(calc_portfolio.capm_of_series(
            columns[0], np.column_stack(columns[1:]), names, periods_per_year=positive("--periods", periods),
            source=data.name), as_json)
    if beta is None or premium is None:
        raise typer.BadParameter("give --beta and --premium, or --data FILE")
    return show(calc_portfolio.capm(
        beta=finite("--beta", beta), premium=finite("--premium", premium), leverage=finite("--leverage", leverage),
        funding_8h=finite("--funding", funding), alpha=finite("--alpha", alpha),
        collateral=finite("--collateral", collateral), risk_free=finite("--risk-free", risk_free)), as_json)


def size_cut(
    cut: Annotated[float, typer.Option(help="Share of the position that goes: 0.3.")] = 0.3,
    leverage: Annotated[float, typer.Option(help="Before the cut.")] = 5.0,
    maintenance_rate: Annotated[float, typer.Option(help="Maintenance margin rate.")] = 0.004,
    side: Direction = "long",
    expected: Annotated[float | None, typer.Option(help="An expected return to take apart, per year.")] = None,
    premium: Annotated[float | None, typer.Option(help="The market premium it was built on.")] = None,
    beta: Annotated[float, typer.Option(help="The beta it was built on.")] = 1.0,
    as_json: args.Json = False,
) -> int:
    """What a cut in size says of volatility, and what it buys in distance to liquidation."""
    from bot.research import calc_portfolio

    if (expected is None) != (premium is None):
        raise typer.BadParameter("--expected goes with --premium")
    return show(calc_portfolio.cut_in_size(
        cut=share("--cut", cut), leverage=positive("--leverage", leverage),
        maintenance_rate=share("--maintenance-rate", maintenance_rate), side=side,
        expected=None if expected is None else finite("--expected", expected),
        premium=None if premium is None else positive("--premium", premium), beta=finite("--beta", beta)), as_json)


def frontier(
    data: Annotated[Path, typer.Option("--data", metavar="FILE", help="Daily returns, a column per asset.")],
    columns: Annotated[str, typer.Option(metavar="A,B", help="The assets' columns.")],
    mu: Annotated[str, typer.Option(metavar="X,Y", help="Expected return of each per year, in that order.")],
    betas: Annotated[str | None, typer.Option(metavar="X,Y", help="Beta of each, with --beta-band.")] = None,
    beta_band: Annotated[float, typer.Option(help="Most |beta| of the book; inf: no limit.")] = float("inf"),
    long_only: Annotated[bool, typer.Option("--long-only", help="Weights of 0 or more that sum to 1.")] = False,
    gross_max: Annotated[float, typer.Option(help="Most leverage.")] = 3.0,
    weight_max: Annotated[float, typer.Option(help="Most of one asset, either side.")] = 1.0,
    points: Annotated[int, typer.Option(min=2, max=200, help="Points of the curve.")] = 20,
    as_json: args.Json = False,
) -> int:
    """The efficient frontier of assets whose expected returns you state: weights, leverage, beta and ES per point."""
    import numpy as np

    from bot.research import calc_portfolio
    from bot.storage.history_columns import read_columns

    names = tuple(name.strip() for name in columns.split(",") if name.strip())
    if len(names) < 2 or len(set(names)) != len(names):
        raise typer.BadParameter(f"--columns {columns!r}: name two or more columns, none twice")
    expected, beta = _numbers("--mu", mu, len(names)), None if betas is None else _numbers("--betas", betas, len(names))
    if not beta_band >= 0.0:
        raise typer.BadParameter(f"--beta-band {beta_band:g}: must be 0 or more")
    rows = np.column_stack(read_columns(data, names))
    return show(calc_portfolio.frontier(
        rows, names, np.array(expected), points=points, long_only=long_only,
        gross_max=positive("--gross-max", gross_max), weight_max=positive("--weight-max", weight_max),
        beta=None if beta is None else np.array(beta), beta_band=beta_band, source=data.name), as_json)


def _numbers(option: str, text: str, count: int) -> tuple[float, ...]:
    """So many finite numbers with commas between them (exit 2 otherwise)."""
    try:
        found = tuple(finite(option, float(part)) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{option} {text!r}: write numbers with commas between them") from None
    if len(found) != count:
        raise typer.BadParameter(f"{option} {text!r}: {len(found)} numbers for {count} columns")
    return found

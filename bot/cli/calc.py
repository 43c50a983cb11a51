"""`calc`: the arithmetic of funding, margin and risk for people, each with its steps shown; see also `report risk`."""

from __future__ import annotations

import typer

from bot.cli import calc_portfolio, calc_positions, calc_sizes, calc_tail

app = typer.Typer(no_args_is_help=True, help="Calculators of funding, margin, risk and size, arithmetic shown.")
for verb in (
    calc_positions.funding, calc_positions.breakeven, calc_positions.liquidation, calc_sizes.leverage_cap,
    calc_positions.size, calc_sizes.kelly, calc_sizes.beta_hedge, calc_tail.var, calc_tail.coverage, calc_tail.stress,
    calc_portfolio.capm, calc_portfolio.frontier, calc_portfolio.size_cut, calc_positions.blend,
):
    app.command()(verb)

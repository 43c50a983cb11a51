"""Options that several calculators share, and the one-line refusals of figures that make no sense."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from bot.domain.errors import DataRefused
from bot.domain.instrument import Instrument
from bot.domain.values import Side

Rate = Annotated[float, typer.Option(help="Fraction per interval that longs pay: 0.0001 is 1 bp.")]
IntervalH = Annotated[float, typer.Option(help="Hours between settlements: 8, 4 or 1.")]
Notional = Annotated[float, typer.Option(help="Position size in USD.")]
Direction = Annotated[Literal["long", "short"], typer.Option(help="Which side you hold.")]
Leverage = Annotated[float, typer.Option(help="Notional over margin at entry.")]
Reserve = Annotated[float, typer.Option(help="Reserve for top-ups, per unit of notional.")]
Venue = Annotated[str | None, typer.Option(help="Take rules from the shipped table: binance, bybit, okx, hyperliquid.")]
Symbol = Annotated[str | None, typer.Option(help="Base coin, such as BTC, for --venue.")]


def positive(name: str, value: float) -> float:
    """The number itself; anything but a finite one above 0 names its option (exit 2)."""
    if not 0.0 < value < float("inf"):
        raise typer.BadParameter(f"{name} {value:g}: must be a number above 0")
    return value


def finite(name: str, value: float) -> float:
    """The number itself; NaN and infinities name their option (exit 2)."""
    if not abs(value) < float("inf"):
        raise typer.BadParameter(f"{name} {value:g}: must be a finite number")
    return value


def share(name: str, value: float) -> float:
    """A fraction strictly between 0 and 1 (exit 2 otherwise)."""
    if not 0.0 < value < 1.0:
        raise typer.BadParameter(f"{name} {value:g}: must lie between 0 and 1, such as 0.99")
    return value


def side_of(side: str) -> Side:
    """BUY for `long`, SELL for `short`."""
    return Side.BUY if side == "long" else Side.SELL


def listed(venue: str, coin: str, perp: bool) -> Instrument:
    """A coin's perpetual or spot market as the shipped table has it today.

    Raises:
        DataRefused: the table has no such instrument.
    """
    from bot.runtime.clock import SystemClock
    from bot.venues.instrument_table import load_table

    table, now_ns = load_table(), SystemClock().now_ns()
    found = [f"{coin.upper()}/{quote}{f':{quote}' if perp else ''}" for quote in ("USDT", "USDC", "USD")]
    for symbol in found:
        if table.lists(venue, symbol):
            return table.instrument(venue, symbol, now_ns)
    kind = "perpetual" if perp else "spot market"
    raise DataRefused(f"--venue {venue} --symbol {coin}: no such {kind} in the shipped table (it has"
                      f" {', '.join(table.venues)}); give the figures as options instead")

"""Instruments: what is traded, what is refused in one line, and the maintenance margin of a venue's tiers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.domain.errors import BotError, Busy, ConfigRefused, DataRefused, Fatal
from bot.domain.instrument import Instrument, Kind, MarginTier, instrument_id, kind_of_symbol
from bot.domain.values import Coin, Venue

TIERS = (MarginTier(Decimal(0), Decimal("0.004"), 150), MarginTier(Decimal(300_000), Decimal("0.005"), 100),
         MarginTier(Decimal(800_000), Decimal("0.0065"), 75))


def perp(tiers: tuple[MarginTier, ...] = TIERS) -> Instrument:
    return Instrument(
        id=instrument_id("a", "BTC/USDT:USDT"), venue=Venue("a"), symbol="BTC/USDT:USDT", coin=Coin("BTC"),
        quote="USDT", kind=Kind.PERP, tick_size=Decimal("0.1"), lot_size=Decimal("0.001"), lots_min=1,
        notional_min_usd=Decimal(5), maker_fee=Decimal(0), taker_fee=Decimal(0), tiers=tiers)


@pytest.mark.parametrize(("symbol", "kind"), [
    ("BTC/USDT", Kind.SPOT), ("BTC/USDC", Kind.SPOT), ("BTC/USDT:USDT", Kind.PERP), ("BTC/USDC:USDC", Kind.PERP),
    ("1000PEPE/USDT:USDT", Kind.PERP), ("ETH/USD", Kind.SPOT),
])
def test_spot_and_linear_perpetuals_are_traded(symbol: str, kind: Kind) -> None:
    """ccxt's spelling says what a market is."""
    assert kind_of_symbol(symbol) is kind


@pytest.mark.parametrize(("symbol", "word"), [
    ("BTC/USD:BTC", "inverse"), ("BTC/USDT:ETH", "quanto"), ("BTC/USDT:USDT-240628", "dated"), ("BTCUSDT", "form"),
    ("BTC/EUR", "only USDT and USDC"), ("/USDT", "form"), ("BTC/", "form"),
])
def test_everything_else_is_refused_in_one_line_that_names_it(symbol: str, word: str) -> None:
    """Inverse, quanto, dated, and what is no symbol at all."""
    with pytest.raises(ConfigRefused, match=word) as raised:
        kind_of_symbol(symbol)
    assert repr(symbol) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("notional", "margin"), [
    ("0", "0"), ("100000", "400"), ("300000", "1200"), ("500000", "2200"), ("800000", "3700"), ("1000000", "5000"),
])
def test_maintenance_margin_is_continuous_over_the_tiers(notional: str, margin: str) -> None:
    """Each part of the notional at its own rate (quant reference 2.4)."""
    assert perp().maintenance_margin_usd(Decimal(notional)) == Decimal(margin)


def test_without_tiers_nothing_is_maintained() -> None:
    """Spot keeps no margin."""
    assert perp(()).maintenance_margin_usd(Decimal(10**9)) == 0


def test_ticks_and_lots_become_prices_and_quantities_exactly() -> None:
    """No float in between."""
    assert perp().price(1_000_003) == Decimal("100000.3")
    assert perp().quantity(7) == Decimal("0.007")
    assert perp().is_perp


@pytest.mark.parametrize(("error", "code"), [(ConfigRefused, 78), (DataRefused, 1), (Busy, 75)])
def test_errors_for_an_author_carry_their_exit_code(error: type[BotError], code: int) -> None:
    """sysexits for scripts: configuration, data, try later."""
    assert error("x").exit_code == code  # type: ignore[attr-defined]
    assert issubclass(Fatal, BotError)

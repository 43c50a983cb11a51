"""The dated table of instruments."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.errors import ConfigRefused, DataRefused
from bot.venues.instrument_table import ASSUMED, load_table
from tests.history_folders import ns

COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "LINK", "DOT", "UNI", "ATOM", "ARB", "AAVE", "APE", "ETC", "FIL", "HBAR",
         "NEAR", "OP", "SUI", "TRX", "XLM")
QUOTES = {"binance": "USDT", "bybit": "USDT", "okx": "USDT", "hyperliquid": "USDC"}


@pytest.mark.parametrize("venue", QUOTES)
def test_every_recorded_perpetual_has_sensible_rules_in_every_year(venue: str) -> None:
    """Steps, fees, tiers that rise from zero, and a funding rule, with a source."""
    table = load_table()
    for coin in COINS:
        for year in range(2020, 2027):
            one = table.instrument(venue, f"{coin}/{QUOTES[venue]}:{QUOTES[venue]}", ns(f"{year}-01-01"))
            assert one.coin == coin
            assert one.source
            assert not one.source.startswith(ASSUMED)
            assert Decimal(0) <= one.maker_fee <= one.taker_fee < Decimal("0.002")
            assert one.tiers[0].floor_usd == 0
            floors = [tier.floor_usd for tier in one.tiers]
            rates = [tier.maintenance_rate for tier in one.tiers]
            assert floors == sorted(set(floors))
            assert rates == sorted(set(rates))
            assert all(tier.maintenance_rate * tier.leverage_max <= 1 for tier in one.tiers)
            assert one.funding is not None
            assert one.funding.interval_h in (1, 8)


def test_figures_of_the_reference() -> None:
    """Binance BTC perpetual: lot 0.001, tick 0.1, taker 5 bp; spot 10 bp, paid in the coin; minimums by date."""
    table = load_table()
    perp = table.instrument("binance", "BTC/USDT:USDT", ns("2024-06-01"))
    assert (perp.lot_size, perp.tick_size, perp.taker_fee) == (Decimal("0.001"), Decimal("0.1"), Decimal("0.0005"))
    assert table.instrument("binance", "BTC/USDT:USDT", ns("2026-01-01")).notional_min_usd == 50
    assert table.instrument("binance", "BTC/USDT:USDT", ns("2021-01-01")).taker_fee == Decimal("0.0004")
    assert table.instrument("binance", "ETH/USDT:USDT", ns("2024-06-01")).notional_min_usd == 20
    spot = table.instrument("binance", "BTC/USDT", ns("2024-06-01"))
    assert (spot.lot_size, spot.taker_fee, spot.fee_in_base) == (Decimal("0.00001"), Decimal("0.001"), True)
    assert (spot.tiers, spot.funding) == ((), None)


def test_hyperliquid_pays_hourly_on_the_index() -> None:
    """And its wrapped spot coins stand for the coins themselves."""
    table = load_table()
    rule = table.instrument("hyperliquid", "SOL/USDC:USDC", ns("2024-06-01")).funding
    assert rule is not None
    assert (rule.interval_h, rule.paid_on_index, rule.time_weighted) == (1, True, False)
    assert table.coin("hyperliquid", "UETH/USDC") == "ETH"
    assert table.coin("hyperliquid", "UNI/USDC:USDC") == "UNI"
    assert table.coin("binance", "1000SHIB/USDT:USDT") == "1000SHIB"


def test_changes_come_oldest_first_and_only_inside_the_period() -> None:
    """A rule that begins at the start is not a change, one at the end is."""
    table = load_table()
    name = [("hyperliquid", "BTC/USDC:USDC")]
    changes = table.changes(name, ns("2024-01-01"), ns("2025-12-31"))
    assert [at for at, _ in changes] == [ns("2025-03-15"), ns("2025-05-05")]
    assert table.changes(name, ns("2025-03-15"), ns("2025-05-04")) == ()
    assert len(table.changes(name, ns("2025-03-14"), ns("2025-03-15"))) == 1
    assert table.changes([("binance", "NEW/USDT")], ns("2020-01-01"), ns("2026-01-01")) == ()


def test_an_unknown_coin_is_refused_without_a_price_and_assumed_with_one() -> None:
    """What is assumed says so."""
    table = load_table()
    with pytest.raises(DataRefused, match="no tick and lot"):
        table.instrument("binance", "NEW/USDT", ns("2024-01-01"))
    one = table.instrument("binance", "NEW/USDT", ns("2024-01-01"), price=123.4)
    assert (one.tick_size, one.lot_size, one.notional_min_usd) == (
        Decimal("0.01"), Decimal("0.001"), Decimal(10))
    assert one.source.startswith(ASSUMED)
    assert str(table.instrument("binance", "NEW/USDT", ns("2024-01-01"), price=0.0012).lot_size) == "100"


def test_an_unknown_venue_is_refused_where_nothing_can_be_assumed() -> None:
    """Without a price there is no lot to assume; the line names the venues with rules."""
    with pytest.raises(DataRefused, match=r"kraken: no spot rules .* binance, bybit, hyperliquid, okx"):
        load_table().instrument("kraken", "BTC/USDT", ns("2024-01-01"))


def test_a_venue_without_rows_takes_the_assumed_ones_and_says_so() -> None:
    """Fees, ladder and funding rule of venue `*`; the source names them as assumed."""
    found = load_table().instrument("kraken", "BTC/USDT:USDT", ns("2024-01-01"), price=40_000.0)
    assert found.source.startswith("assumed")
    assert found.taker_fee > 0
    assert found.tiers
    assert found.funding is not None


def test_rows_beside_the_data_come_on_top(tmp_path: Path) -> None:
    """A folder of history may bring rules of its own venue."""
    mine = tmp_path / "instruments.toml"
    mine.write_text('[[fees]]\nvenue = "kraken"\nkind = "spot"\nvalid_from = 2020-01-01\nmaker = "0.001"\n'
                    'taker = "0.0026"\nfee_in_base = false\nsource = "mine"\n')
    found = load_table(extra=mine).instrument("kraken", "BTC/USDT", ns("2024-01-01"), price=40_000.0)
    assert str(found.taker_fee) == "0.0026"
    mine.write_text("[[fee]]\n")
    with pytest.raises(ConfigRefused, match=r"instruments\.toml: unknown table fee; allowed: fees"):
        load_table(extra=mine)


@pytest.mark.parametrize("text", [
    "fees = [", "fees = []\n", "fees = []\nsizes = []\nmargin = []\nfunding = []\nmore = 1\n"])
def test_a_malformed_table_is_refused_by_name(tmp_path: Path, text: str) -> None:
    """No TOML, a missing list, an unknown key."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigRefused, match=r"mine\.toml"):
        load_table(path)


def test_a_missing_table_is_refused_by_name(tmp_path: Path) -> None:
    """The path may be wrong."""
    with pytest.raises(ConfigRefused, match=r"gone\.toml"):
        load_table(tmp_path / "gone.toml")

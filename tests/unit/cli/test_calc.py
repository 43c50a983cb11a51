"""`evenkeel calc`: published and hand-worked figures, and one clear line for what makes no sense."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.__main__ import main


def calc(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The JSON document of a calculator."""
    assert main(["calc", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(("leverage", "side", "distance"), [
    (1, "short", 0.99), (2, "short", 0.49), (3, "short", 0.33), (5, "short", 0.20), (10, "short", 0.096),
    (2, "long", 0.50), (3, "long", 0.33), (5, "long", 0.20), (10, "long", 0.096),
])
def test_distances_to_liquidation(capsys: pytest.CaptureFixture[str], leverage: int, side: str, distance: float
                                  ) -> None:
    """Quant-reference 2.4, maintenance 0.4 %."""
    found = calc(capsys, "liquidation", "--entry", "100", "--leverage", str(leverage), "--side", side,
                 "--maintenance-rate", "0.004")
    assert found["result"]["distance"] == pytest.approx(distance, abs=6e-3)


def test_cross_margin_uses_the_tier_that_holds_the_notional(capsys: pytest.CaptureFixture[str]) -> None:
    """At the price found, wallet and unrealised loss equal the tiered maintenance margin."""
    found = calc(capsys, "liquidation", "--entry", "50000", "--quantity", "20", "--wallet", "400000", "--side", "long",
                 "--venue", "binance", "--symbol", "BTC")
    price, notional = found["result"]["liquidation_price"], 20 * found["result"]["liquidation_price"]
    tiers = found["tables"]["tiers"]
    tops = [row["floor_usd"] for row in tiers[1:]] + [float("inf")]
    maintenance = sum((min(notional, top) - row["floor_usd"]) * row["maintenance_rate"]
                      for row, top in zip(tiers, tops, strict=True) if notional > row["floor_usd"])
    assert 400_000 + 20 * (price - 50_000) == pytest.approx(maintenance, rel=1e-9)


def test_an_inverse_short_at_one_times_has_no_liquidation_price(capsys: pytest.CaptureFixture[str]) -> None:
    """Quant-reference 2.1: it cannot be liquidated by a rise."""
    found = calc(capsys, "liquidation", "--entry", "100", "--leverage", "1", "--maintenance-rate", "0.005",
                 "--contract", "inverse")
    assert found["result"]["liquidation_price"] is None
    found = calc(capsys, "liquidation", "--entry", "100", "--leverage", "2", "--maintenance-rate", "0.005",
                 "--contract", "inverse", "--side", "long")
    assert found["result"]["liquidation_price"] == pytest.approx(100 * 1.005 / 1.5)


def test_a_small_account_in_one_hedged_pair(capsys: pytest.CaptureFixture[str]) -> None:
    """Quant-reference 3.4: 3,500 USD at 3x with a tenth in reserve carry 2,442 USD, floored to lots; fees 7.3 USD."""
    found = calc(capsys, "size", "--capital", "3500", "--price", "3000", "--venue", "binance", "--symbol", "ETH")
    assert found["result"]["wish_usd"] == pytest.approx(2_442, abs=0.5)
    assert found["result"]["notional_usd"] == pytest.approx(2_439)
    assert found["result"]["round_trip_fees_usd"] == pytest.approx(7.3, abs=0.05)


def test_size_by_the_loss_at_the_stop(capsys: pytest.CaptureFixture[str]) -> None:
    """Quant-reference 11: 5,000 USD, 1 %, 6 % stop: 833 USD."""
    assert calc(capsys, "size", "--capital", "5000", "--stop-pct", "6")["result"]["notional_usd"] == pytest.approx(
        833.33, abs=0.01)


def test_a_blend_of_seventy_and_thirty_is_not_eighteen_per_cent(capsys: pytest.CaptureFixture[str]) -> None:
    """Quant-reference 17.1: 10.1 to 11.6 %; 18 % needs 41 % from the rest."""
    found = calc(capsys, "blend", "--claimed", "0.18")["result"]
    assert (found["annual_low"], found["annual_high"]) == (pytest.approx(0.101), pytest.approx(0.116))
    assert found["overlay_needed_annual"] == pytest.approx(0.413, abs=5e-4)


def test_a_short_receives_positive_funding(capsys: pytest.CaptureFixture[str]) -> None:
    """1 bp on 10,000 USD is 1 USD per settlement, three a day."""
    found = calc(capsys, "funding", "--rate", "0.0001", "--side", "short", "--days", "1")["result"]
    assert (found["payment_usd"], found["settlements"], found["total_usd"]) == (pytest.approx(1.0), 3, pytest.approx(3))
    assert calc(capsys, "funding", "--rate", "0.0001", "--side", "long")["result"]["payment_usd"] < 0


def test_typical_leverage_caps(capsys: pytest.CaptureFixture[str]) -> None:
    """Quant-reference 6: sigma of 1.7 % in the horizon, p = 1e-4: 4.7x short, 5.7x long (nu 4), about 3x (nu 3)."""
    def cap(side: str, nu: str) -> float:
        found = calc(capsys, "leverage-cap", "--sigma-annual", str(0.017 * (8760 / 9) ** 0.5), "--nu", nu, "--side",
                     side, "--maintenance-rate", "0.004")
        return float(found["result"]["leverage_cap"])

    assert cap("short", "4") == pytest.approx(4.7, abs=0.1)
    assert cap("long", "4") == pytest.approx(5.7, abs=0.1)
    assert cap("short", "3") == pytest.approx(3.1, abs=0.2)


def test_kelly_with_failures(capsys: pytest.CaptureFixture[str]) -> None:
    """Quant-reference 9: mu 8 %, lambda 2 %, J 50 %: 1.75, half of it 0.87; with mu 1 % nothing; a coin p - q / b."""
    words = ("--sigma", "0.013", "--jumps", "0.02", "--jump-loss", "0.5")
    found = calc(capsys, "kelly", "--mu", "0.08", *words)["result"]
    assert (found["full"], found["size"]) == (pytest.approx(1.75, abs=5e-3), pytest.approx(0.87, abs=5e-3))
    assert found["p_fall"] == pytest.approx(0.125)
    assert calc(capsys, "kelly", "--mu", "0.01", *words)["result"]["size"] == 0
    assert calc(capsys, "kelly", "--win-probability", "0.6", "--odds", "1")["result"]["full"] == pytest.approx(0.2)


def test_the_overlay_to_a_target_beta(capsys: pytest.CaptureFixture[str]) -> None:
    """Quant-reference 17.3: short 33.3 M, gross 133 M; neutral 155.6 M; weights that sum to one are 40 and 60 %."""
    found = calc(capsys, "beta-hedge", "--exposure", "100e6", "--beta", "1.4", "--hedge-beta", "0.9", "--target",
                 "1.1")["result"]
    assert found["hedge_usd"] == pytest.approx(-33.333e6, rel=1e-4)
    assert found["gross_usd"] == pytest.approx(133.333e6, rel=1e-4)
    assert found["neutral_hedge_usd"] == pytest.approx(-155.556e6, rel=1e-4)
    assert (found["weight_first"], found["weight_second"]) == (pytest.approx(0.4), pytest.approx(0.6))


@pytest.mark.parametrize(("words", "complaint"), [
    (("kelly",), "--mu"), (("kelly", "--mu", "0.1", "--sigma", "0.1", "--jumps", "1"), "--jump-loss"),
    (("leverage-cap", "--sigma-annual", "0.5", "--p", "2", "--maintenance-rate", "0.004"), "touch_probability"),
    (("beta-hedge", "--exposure", "1", "--beta", "1", "--hedge-beta", "0"), "--hedge-beta"),
    (("liquidation", "--entry", "-5", "--maintenance-rate", "0.004"), "--entry"),
    (("liquidation", "--entry", "5", "--maintenance-rate", "1.5"), "--maintenance-rate"),
    (("liquidation", "--entry", "5"), "--maintenance-rate"),
    (("liquidation", "--entry", "50000", "--leverage", "500", "--venue", "binance", "--symbol", "BTC"), "--leverage"),
    (("funding",), "--rate"), (("funding", "--rate", "nan"), "--rate"),
    (("breakeven", "--rate", "0.0001", "--phi", "1.5"), "--phi"), (("size", "--capital", "100"), "--price"),
])
def test_what_makes_no_sense_is_a_usage_error(capsys: pytest.CaptureFixture[str], words: tuple[str, ...],
                                              complaint: str) -> None:
    """Exit 2, one line that names the option, nothing on stdout."""
    assert main(["calc", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert complaint in said.err
    assert said.err.count("\n") == 1


def test_an_unlisted_coin_is_refused_with_the_venues_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit 1; it says what could be done instead."""
    assert main(["calc", "size", "--capital", "3500", "--price", "3", "--venue", "nowhere", "--symbol", "ETH"]) == 1
    assert "binance" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("funding", "--rate", "0.0001"), ("breakeven", "--rate", "0.0001"),
                                   ("blend",), ("size", "--capital", "5000", "--stop-pct", "6")])
def test_the_arithmetic_is_shown(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    """People see how a figure came about."""
    assert main(["calc", *words]) == 0
    assert "arithmetic" in capsys.readouterr().out

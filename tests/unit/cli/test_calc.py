"""`evenkeel calc`: published and hand-worked figures, and one clear line for what makes no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
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


def test_a_right_var_is_breached_eleven_to_twenty_six_times_a_year(capsys: pytest.CaptureFixture[str]) -> None:
    """Quant-reference 7 and 17.7: 365 days at 95 %; at 99 % 1 to 7; 10 of 250 are Basel's red zone."""
    found = calc(capsys, "coverage")["result"]
    assert (found["expected"], found["accept_from"], found["accept_to"]) == (pytest.approx(18.25), 11, 26)
    found = calc(capsys, "coverage", "--level", "0.99")["result"]
    assert (found["accept_from"], found["accept_to"]) == (1, 7)
    found = calc(capsys, "coverage", "--level", "0.99", "--days", "250", "--breaches", "10")["result"]
    assert found["basel_zone"] == "red"


def test_var_of_a_file_and_a_record_of_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """600 returns of 2 %: a 99 % VaR near 2.33 sd; a constant VaR at that level passes its tests."""
    normal = np.random.default_rng(5).normal(0.0, 0.02, 600)
    file = tmp_path / "mine.csv"
    file.write_text("return,pnl,var\n" + "".join(f"{each},{each},0.0465\n" for each in normal.tolist()))
    found = calc(capsys, "var", "--data", str(file), "--notional", "1000")
    methods = {row["method"]: row for row in found["tables"]["methods"]}
    assert methods["normal"]["var_usd"] == pytest.approx(46.5, rel=0.07)
    assert methods["historical"]["var_usd"] == pytest.approx(46.5, rel=0.2)
    assert found["result"]["es_usd"] > found["result"]["var_usd"]
    assert not calc(capsys, "coverage", "--level", "0.99", "--data", str(file))["result"]["rejected"]


def test_a_closed_form_var_and_its_es(capsys: pytest.CaptureFixture[str]) -> None:
    """Unit-variance t with nu 4 at 99 %: 3.747 / sqrt(2) = 2.650 sd, ES 5.221 / sqrt(2) = 3.692 sd; normal 2.326."""
    found = calc(capsys, "var", "--sigma", "1", "--notional", "1")["result"]
    assert found["var_usd"] == pytest.approx(2.6495, abs=1e-3)
    assert found["es_usd"] == pytest.approx(3.6915, abs=1e-3)
    assert found["normal_var_usd"] == pytest.approx(2.3263, abs=1e-4)


def test_stress_of_a_pair_lists_every_scenario_worst_first(capsys: pytest.CaptureFixture[str]) -> None:
    """The crash of a hedged pair costs little, the loss of its venue all; an alt at the funding floor breaches."""
    found = calc(capsys, "stress", "--venue", "binance", "--symbol", "BTC")
    rows = found["tables"]["scenarios"]
    assert [row["pnl_usd"] for row in rows] == sorted(row["pnl_usd"] for row in rows)
    assert rows[0]["scenario"].startswith("venue_lost")
    assert not found["result"]["breaches"]
    assert "funding_floor" in calc(capsys, "stress", "--symbol", "DOGE")["result"]["breaches"]


def test_leverage_multiplies_premium_and_funding_but_not_cash(capsys: pytest.CaptureFixture[str]) -> None:
    """Quant-reference 17.5: at 10x, premium 11 %, funding 1 bp per 8 h, the answer is 0.5 %, not 45 %."""
    found = calc(capsys, "capm", "--beta", "1", "--premium", "0.11", "--leverage", "10", "--funding", "0.0001",
                 "--risk-free", "0.045")["result"]
    assert found["expected_annual"] == pytest.approx(0.005, abs=1e-9)
    assert found["break_even_funding_8h"] == pytest.approx(0.11 / 1095)
    short = calc(capsys, "capm", "--beta", "1", "--premium", "0.11", "--leverage", "-10", "--funding", "0.0001")
    assert short["result"]["expected_annual"] == pytest.approx(-0.005, abs=1e-9)


def test_a_beta_from_a_file_has_its_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Returns made with beta 1.3 and noise: found within two errors; a second factor without effect is near zero."""
    generator = np.random.default_rng(11)
    market, other = generator.normal(0, 0.03, 400), generator.normal(0, 0.01, 400)
    returns = 1.3 * market + generator.normal(0, 0.01, 400)
    file = tmp_path / "mine.csv"
    rows = zip(returns.tolist(), market.tolist(), other.tolist(), strict=True)
    file.write_text("return,market,other\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    found = calc(capsys, "capm", "--data", str(file), "--factors", "market,other")
    assert found["result"]["beta"] == pytest.approx(1.3, abs=2.5 * found["result"]["beta_se"])
    loadings = {row["factor"]: row for row in found["tables"]["loadings"]}
    assert abs(loadings["other"]["loading"]) < 3 * loadings["other"]["se"]


def test_what_a_size_cut_implies(capsys: pytest.CaptureFixture[str]) -> None:
    """Quant-reference 17.4: 43 % above target; -19.7 to -28.3 % at 5x; cash rate 5 % at beta 1, none past 1.71."""
    found = calc(capsys, "size-cut", "--expected", "0.12", "--premium", "0.07")["result"]
    assert found["volatility_over_target"] == pytest.approx(0.43, abs=2e-3)
    assert found["liquidating_move_before"] == pytest.approx(-0.197, abs=5e-4)
    assert found["liquidating_move_after"] == pytest.approx(-0.283, abs=5e-4)
    assert (found["implied_risk_free"], found["beta_max"]) == (pytest.approx(0.05), pytest.approx(1.71, abs=5e-3))


def test_a_frontier_rises_and_keeps_its_limits(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Risk and return grow together; long-only weights sum to one; the beta band is kept."""
    generator = np.random.default_rng(2)
    market = generator.normal(0, 0.03, 400)
    eth = 1.2 * market + generator.normal(0, 0.02, 400)
    file = tmp_path / "mine.csv"
    file.write_text("BTC,ETH\n" + "".join(f"{a},{b}\n" for a, b in zip(market.tolist(), eth.tolist(), strict=True)))
    words = ("frontier", "--data", str(file), "--columns", "BTC,ETH", "--mu", "0.1,0.2")
    rows = calc(capsys, *words, "--long-only")["tables"]["frontier"]
    assert all(row["w_BTC"] + row["w_ETH"] == pytest.approx(1.0, abs=1e-5) for row in rows)
    risks = [row["volatility_annual"] for row in rows]
    assert risks == sorted(risks)
    rows = calc(capsys, *words, "--betas", "1,1.2", "--beta-band", "0.1")["tables"]["frontier"]
    assert all(abs(row["beta"]) <= 0.1 + 1e-5 for row in rows)


@pytest.mark.parametrize(("text", "column", "complaint"), [
    ("return\n0.1\nnan\n", "return", "row 2"), ("return\n", "return", "empty"), ("other\n1\n", "return", "no column"),
    ("return\nabc\n", "return", "return"), ("return\n0.1\n", "return", "needs"),
])
def test_a_file_that_cannot_be_used_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str,
                                                 column: str, complaint: str) -> None:
    """It names the file and what is wrong with it."""
    file = tmp_path / "mine.csv"
    file.write_text(text)
    assert main(["calc", "var", "--data", str(file), "--column", column]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "mine.csv" in said.err
    assert complaint in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(("words", "complaint"), [
    (("capm",), "--beta"), (("size-cut", "--expected", "0.1"), "--premium"),
    (("var",), "--data"), (("var", "--sigma", "0.1", "--level", "1"), "--level"),
    (("coverage", "--days", "10", "--breaches", "11"), "--breaches"), (("stress", "--idle", "-1"), "--idle"),
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

"""The risk sheet on the screen: every limit with its state, what is unknown as a dash, what is off in capitals."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from bot.__main__ import main
from bot.cli.risk_view import as_sheet, render_risk
from bot.domain.errors import Unavailable
from bot.domain.values import Nanos
from bot.risk.governor import Cut
from bot.risk.sheet import BetaRow, CoinRow, CutRow, ForecastTest, LimitRow, MarginRow, RiskSheet, StressRow, TailRow

NOW = Nanos(1_735_689_600_000_000_000)

COIN = CoinRow(
    coin="XRP", instrument="alpha:XRP/USDT:USDT", sigma_day_pct=6.94, source="garch", sigma_size_day_pct=5.1,
    source_size="har", models=(("garch", 6.94),), reasons=("too_few_points",), cap_short=0.99, cap_long=2.14,
    binding_short="barrier", binding_long="jump", distance_short_pct=99.0, jump_short_pct=40.0,
    fitted_model="garch_t", fit_age_days=2.5, fit_points=400, persistence=0.98, nu=4.0, loglik_point=-3.0, bic=2400.0)
STRESS = StressRow(
    name="venue_lost:alpha", text="a venue is gone", history=False, accepted=True, pnl_usd=-33_103.36, pnl_pct=-33.06,
    margin_left_usd=None, liquidated=("alpha:XRP/USDT:USDT",), naked_usd=5_180.0, delta_end_usd=0.0,
    topped_up_usd=0.0, shrunk_pct=0.0)
TAIL = TailRow(
    method="fhs", reason="", level_es=0.975, es_usd=93.3, var_es_level_usd=80.0, var95_usd=32.0, var99_usd=107.7,
    parts=(("alpha XRP", 93.3),), tightened=0.8, tightened_why="Kupiec rejects")
SHEET = RiskSheet(
    at_ns=NOW, enabled=True, equity_usd=100_236.04, verdict="hard", reviewed_ns=None,
    limits=(
        LimitRow(limit="es", scope="book", value=93.0, allowed=2_505.0, unit="usd", state="ok"),
        LimitRow(limit="leverage", scope="alpha", value=1.37, allowed=1.19, unit="x", state="hard"),
        LimitRow(limit="coin_share", scope="DOGE", value=None, allowed=0.48, unit="share", state="unknown"),
    ),
    coins=(COIN,), tail=TAIL, stress=(STRESS,),
    margin=(MarginRow(venue="alpha", equity_usd=None, notional_usd=None, maintenance_usd=None, needed_usd=None,
                      leverage=None, leverage_allowed=1.19, distance_pct=71.75, reference_pct=82.25,
                      top_up_below_pct=49.35, reduce_below_pct=32.9),),
    record_days=250, breaches99=7, recent=(),
    tests=(ForecastTest(name="kupiec", statistic=5.5, p_value=0.019, rejected=True, text="7 of 250"),),
    cuts=(CutRow(at_ns=NOW, cut=Cut("es", "alpha XRP", 3_000.0, 2_505.0, 22_000.0, 18_000.0)),))


def shown(sheet: RiskSheet, width: int = 160) -> str:
    """The screen as text."""
    console = Console(width=width, file=StringIO(), highlight=False)
    console.print(render_risk(sheet))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_every_limit_has_its_figures_and_its_state() -> None:
    """Value, allowed, how much is used, and the word for it: colours are never the only signal."""
    lines = {line.split("  ")[0]: line for line in shown(SHEET).splitlines()}
    assert "1.37x" in lines["leverage"]
    assert "1.19x" in lines["leverage"]
    assert "##########" in lines["leverage"]
    assert "hard" in lines["leverage"]
    assert "2,505 USD" in lines["es"]


def test_what_is_not_known_is_a_dash() -> None:
    """A missing value is no zero and no full headroom."""
    line = next(line for line in shown(SHEET).splitlines() if line.startswith("coin share"))
    assert "unknown" in line
    assert " - " in line
    assert "??????????" in line
    assert "0.00%" not in line


def test_a_coin_says_why_its_cap_is_what_it_is() -> None:
    """Both sides, the rule that binds each, the model, and its reasons."""
    line = next(line for line in shown(SHEET).splitlines() if line.startswith("XRP"))
    for word in ("6.94%", "garch", "0.99x", "barrier", "2.14x", "jump", "2.5 d old", "too few points"):
        assert word in line


def test_a_rejected_record_and_its_tightening_are_told() -> None:
    """The test, its p-value, the verdict in words, and what follows."""
    text = shown(SHEET)
    assert "7 beyond VaR 99 % (2.5 expected)" in text
    assert "p 0.019  rejected" in text
    assert "limits tightened to 80%: Kupiec rejects" in text


def test_a_governor_that_is_off_shouts() -> None:
    """No colour needed."""
    assert "THE GOVERNOR IS OFF" in shown(msgspec.structs.replace(SHEET, verdict="off", enabled=False))


def test_narrow_terminals_lose_columns_by_name() -> None:
    """Nothing wraps; what is hidden is named."""
    text = shown(SHEET, width=80)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "not shown here" in text


def test_the_sheet_survives_its_json() -> None:
    """What a daemon answers is what is shown; another version's answer is one line."""
    decoded = msgspec.json.decode(msgspec.json.encode(SHEET))
    assert as_sheet(decoded) == SHEET
    with pytest.raises(Unavailable, match="another version"):
        as_sheet({"at_ns": 1})


def test_without_a_record_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A clean clone: nothing has run yet, and it says what to do."""
    assert main(["risk", "--home", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "evenkeel run" in said.err
    assert said.err.count("\n") == 1


def test_the_sheet_of_a_finished_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A few hours of the demo: JSON with limits, coins and margin, from the record alone."""
    assert main(["run", "--for", "6h", "--json", "--account", "main", "--home", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["risk", "--json", "--home", str(tmp_path)]) == 0
    sheet = json.loads(capsys.readouterr().out)
    assert sheet["enabled"]
    assert {row["limit"] for row in sheet["limits"]} >= {"es", "drawdown", "daily_loss"}
    assert sheet["coins"]


BETA = BetaRow(
    at_ns=NOW, beta_before=0.31, beta=0.05, target_beta=0.0, band=0.05, inside=True, exposure_usd=31_000.0,
    instrument="alpha:BTC/USDT:USDT", hedge_usd=-26_000.0, reason="capped", cap="depth", cap_usd=26_000.0,
    coins=(("BTC", 1.0, 0.0), ("XRP", 1.15, 0.25)))


def test_the_beta_stands_with_its_band_its_hedge_and_what_each_coin_counts() -> None:
    """What the book moves with the market, and what was done about it; an unknown beta says so."""
    text = shown(msgspec.structs.replace(SHEET, beta=BETA))
    assert "+0.0500 of +0.00 +- 0.050" in text
    assert "capped by depth" in text
    assert "hedge -26,000 USD of alpha:BTC/USDT:USDT" in text
    assert "XRP 1.15 +- 0.49" in text
    nothing = msgspec.structs.replace(BETA, beta=None, inside=None, hedge_usd=0.0, reason="beta_unknown", cap="")
    text = shown(msgspec.structs.replace(SHEET, beta=nothing))
    assert "unknown of +0.00" in text
    assert "no hedge" in text

"""The risk report on a short demo: sections that can be made are there, the others say why, the page stands alone."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from bot.domain.errors import DataRefused
from bot.domain.values import NS_PER_HOUR
from bot.research.carry_frontier import carry_frontier
from bot.research.funding_effect import funding_effect
from bot.research.risk_history import CoinHistory
from bot.research.risk_html import risk_html
from bot.research.risk_report import RiskReport, build_risk_report
from bot.research.var_study import DEFAULT_METHOD

START_NS = 1_577_836_800_000_000_000
DAYS = 600


def made(coin: str, seed: int, funding_8h: float = 1e-4, spot: bool = True) -> CoinHistory:
    """A random walk of 3 % a day with funding every 8 h and a perpetual 2 bp from spot."""
    generator = np.random.default_rng(seed)
    hours = DAYS * 24
    price = 100.0 * np.exp(np.cumsum(generator.standard_t(5, hours) * 0.03 / 24**0.5 / (5 / 3) ** 0.5))
    funding = np.zeros(hours)
    funding[7::8] = funding_8h
    return CoinHistory(
        coin=coin, venue="made", closed_ns=START_NS + NS_PER_HOUR * np.arange(1, hours + 1, dtype=np.int64),
        perp=price * (1 + 2e-4 * generator.standard_normal(hours)), spot=price if spot else np.full(hours, np.nan),
        funding=funding, source="made")


@pytest.fixture(scope="module")
def report() -> RiskReport:
    """One coin, 600 days: long enough for volatility and funding, too short for some."""
    told: list[float] = []
    built = build_risk_report((made("BTC", 1),), {}, source="made", data_hash="0" * 16,
                              advance=lambda done, text: told.append(done))
    assert told == sorted(told)
    assert told[-1] == 1.0
    return built


def test_what_can_be_judged_is_there(report: RiskReport) -> None:
    """Funding, VaR, volatility, caps and the frontier of one coin and its pair."""
    assert [each.symbol for each in report.funding] == ["BTC"]
    assert report.var[0].method(DEFAULT_METHOD).days >= 90
    assert report.volatility[0].scores
    assert len(report.volatility_series[0].realised) == len(report.volatility_series[0].day_ns)
    assert report.leverage[0].rows
    assert report.frontier is not None


def test_a_short_history_says_what_it_is_too_short_for() -> None:
    """Nothing is made up: reasons stand where sections would."""
    whole = made("BTC", 1)
    short = msgspec.structs.replace(whole, **{
        name: getattr(whole, name)[: 130 * 24] for name in ("closed_ns", "perp", "spot", "funding")})
    built = build_risk_report((short,), {}, source="made", data_hash="", advance=lambda done, text: None)
    assert not built.var
    assert any("VaR" in line for line in built.left_out)
    assert "Left out" in risk_html(built)


def test_the_page_refers_to_nothing_outside_itself(report: RiskReport) -> None:
    """No script, no address, every section a heading."""
    text = risk_html(report)
    assert "<script" not in text
    assert not re.search(r"(src|href)=", text)
    assert "http" not in text
    assert text.count("<section>") == text.count("</section>") >= 6


def test_funding_is_what_separates_a_long_from_its_price() -> None:
    """1 bp per 8 h is 3 bp a day: after 599 days 17.97 % of notional; the hedged pair has earned it."""
    effect = funding_effect(made("BTC", 2))
    assert effect.long_price[-1] - effect.long_with_funding[-1] == pytest.approx(3e-4 * (DAYS - 1), rel=1e-9)
    assert effect.carry[-1] == pytest.approx(3e-4 * (DAYS - 1), abs=2e-3)
    assert sum(row.days for row in effect.years) == DAYS - 1
    assert [row.year for row in effect.years] == [2020, 2021]
    assert effect.negative_share == 0.0


def test_without_spot_there_is_no_hedged_pair() -> None:
    """Unknown is not 0."""
    effect = funding_effect(made("BTC", 2, spot=False))
    assert all(np.isnan(effect.carry))
    assert effect.years[0].carry is None
    with pytest.raises(DataRefused, match="0 days"):
        funding_effect(msgspec.structs.replace(made("BTC", 2), funding=np.full(DAYS * 24, np.nan)))


def test_the_frontier_takes_carry_where_it_pays_and_not_where_it_costs() -> None:
    """At 3 bp per 8 h the richest calm book holds the pair; at minus 3 bp no point does."""
    rich = carry_frontier((made("BTC", 3, funding_8h=3e-4), made("ETH", 4, funding_8h=3e-4)))
    assert max(float(row["BTC carry"] or 0) for row in rich.tables["frontier"]) > 0.5
    poor = carry_frontier((made("BTC", 3, funding_8h=-3e-4), made("ETH", 4, funding_8h=-3e-4)))
    assert max(float(row["BTC carry"] or 0) for row in poor.tables["frontier"]) < 1e-3

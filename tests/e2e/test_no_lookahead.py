"""Cutting the future off, or making it another one, changes no decision of the past."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.app.backtests import drive, schedule_of
from bot.app.engines import Engines, session_started
from bot.app.worlds import capital_of, deposit, history_world
from bot.domain.commands import SubmitOrder
from bot.domain.events import AnyEvent
from bot.engine.step import Step
from bot.options import Scope
from bot.settings import Settings
from bot.storage.journal_codec import encode_event, encode_step
from tests.daemon_process import bot, document
from tests.history_folders import DATA, ns
from tests.made_history import made_history


class Past:
    """Keeps what was seen and answered before an instant, byte for byte."""

    def __init__(self, before_ns: int) -> None:
        self.before_ns = before_ns
        self.records: list[tuple[bytes, bytes]] = []
        self.orders = self.decisions = 0

    def seen(self, event: AnyEvent, step: Step) -> None:
        """Note one pair."""
        if event.at_ns < self.before_ns:
            self.records.append((encode_event(event), encode_step(step)))
            self.orders += sum(isinstance(command, SubmitOrder) for command in step.commands)
            self.decisions += step.record is not None


def past_of(data: Path, venues: tuple[str, ...], coins: tuple[str, ...], begin: str, end: str, before: str) -> Past:
    """A backtest from begin to end: all that happened before an instant of it."""
    settings, past = Settings(), Past(ns(before))
    scope = Scope(data=data, venues=venues, symbols=coins, from_ns=ns(begin), to_ns=ns(end))
    world = history_world(settings, scope, books=None)
    deposit(world, settings, capital_of(settings, None))
    schedule = schedule_of(world)
    schedule.inject(session_started(settings, world, at_ns=world.first_ns, epoch=1, account="past", kind="replay"))
    drive(Engines(settings.engine).create(), schedule, world, past, None)
    return past


def differing(a: Past, b: Past) -> Iterator[int]:
    """Numbers of the records in which two pasts differ."""
    assert len(a.records) == len(b.records)
    return (number for number, pair in enumerate(zip(a.records, b.records, strict=True)) if pair[0] != pair[1])


@pytest.mark.parametrize("cut_day", [25, 50])
def test_another_future_or_none_changes_no_past_decision(tmp_path: Path, cut_day: int) -> None:
    """Three histories that are equal up to a day: a long one, one cut off there, one that goes on quite differently."""
    cut = f"2024-{1 + (cut_day >= 31):02}-{cut_day % 31 + 1:02}"
    begin, end = "2024-01-20", "2024-02-29"
    folders = {
        "long": made_history(tmp_path / "long"),
        "cut": made_history(tmp_path / "cut", days=cut_day),
        "other": made_history(tmp_path / "other", altered_from_day=cut_day),
    }
    pasts = {
        name: past_of(folder, ("binance",), ("BTC",), begin, cut if name == "cut" else end, cut)
        for name, folder in folders.items()
    }
    assert pasts["long"].orders > 0
    assert pasts["long"].decisions > 100
    assert list(differing(pasts["long"], pasts["cut"])) == []
    assert list(differing(pasts["long"], pasts["other"])) == []


def test_the_altered_future_is_another_one(tmp_path: Path) -> None:
    """Else the comparison above would prove nothing."""
    runs = [past_of(folder, ("binance",), ("BTC",), "2024-01-20", "2024-02-29", "2024-02-25") for folder in (
        made_history(tmp_path / "long"), made_history(tmp_path / "other", altered_from_day=25))]
    assert [run.records for run in runs[:1]] != [run.records for run in runs[1:]]


@pytest.mark.skipif(not DATA.is_dir(), reason="no recorded data beside the checkout")
@pytest.mark.parametrize(("venues", "coins", "begin", "cut", "end"), [
    (("binance",), ("BTC", "ETH"), "2024-02-20", "2024-03-05", "2024-03-20"),
    (("binance", "hyperliquid"), ("BTC",), "2024-08-25", "2024-09-02", "2024-09-10"),
])
def test_a_later_end_changes_no_past_decision_on_real_history(
    venues: tuple[str, ...], coins: tuple[str, ...], begin: str, cut: str, end: str,
) -> None:
    """The same on recorded data, over weeks in which pairs were opened, and over a change of bar lengths."""
    short = past_of(DATA, venues, coins, begin, cut, cut)
    long = past_of(DATA, venues, coins, begin, end, cut)
    assert short.decisions > 0
    assert list(differing(short, long)) == []


def test_the_report_of_a_period_does_not_depend_on_what_follows(tmp_path: Path) -> None:
    """The command as a person calls it, over a folder that ends with the period and one that goes on."""
    words = ("--venues", "binance", "--symbols", "BTC", "--from", "2024-01-20", "--to", "2024-02-10", "--json")
    reports = [document(bot("backtest", "--data", folder, *words)) for folder in (
        made_history(tmp_path / "long"), made_history(tmp_path / "cut", days=41))]
    for name in ("equity_usd", "attribution_usd", "pairs", "orders", "decisions", "by_year"):
        first, second = (json.dumps(report[name]) for report in reports)
        assert first == second, name

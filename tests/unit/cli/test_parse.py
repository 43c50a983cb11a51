"""Words on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from bot.cli import parse
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_S


@pytest.mark.parametrize(("function", "text", "value"), [
    (parse.duration_ns, "30d", 30 * NS_PER_DAY),
    (parse.duration_ns, "1d12h", 36 * NS_PER_HOUR),
    (parse.duration_ns, " 0.5H ", 1_800 * NS_PER_S),
    (parse.duration_ns, "90m", 5_400 * NS_PER_S),
    (parse.instant_ns, "1970-01-02", NS_PER_DAY),
    (parse.instant_ns, "2024-03-01", 1_709_251_200 * NS_PER_S),
    (parse.instant_ns, "2024-03-01T08:00", 1_709_280_000 * NS_PER_S),
    (parse.instant_ns, "2024-03-01T08:00:00Z", 1_709_280_000 * NS_PER_S),
    (parse.instant_ns, "2024-03-01T09:00+01:00", 1_709_280_000 * NS_PER_S),
    (parse.seed_range, "0..49", (0, 49)),
    (parse.seed_range, "7", (7, 7)),
    (parse.amount_usd, "100_000", "100000"),
    (parse.amount_usd, "2500.50", "2500.50"),
    (parse.amount_usd, "1e5", "100000"),
    (parse.speed_factor, "600", 600.0),
    (parse.speed_factor, "max", float("inf")),
    (parse.word_list, "binance, ByBit", ("binance", "bybit")),
    (parse.coin_list, "btc,ETH", ("BTC", "ETH")),
    (parse.account_name, "my-account_2", "my-account_2"),
])
def test_a_good_word_is_understood(function: Callable[[str], Any], text: str, value: Any) -> None:
    """Each spelling that the help names has its value."""
    assert function(text) == value


@pytest.mark.parametrize(("function", "text"), [
    (parse.duration_ns, ""), (parse.duration_ns, "30"), (parse.duration_ns, "3x"), (parse.duration_ns, "0d"),
    (parse.duration_ns, "-3d"), (parse.duration_ns, "1d 2h"), (parse.duration_ns, "d3"),
    (parse.instant_ns, "yesterday"), (parse.instant_ns, "2024-13-01"), (parse.instant_ns, "1969-12-31"),
    (parse.seed_range, "9..3"), (parse.seed_range, "a..b"), (parse.seed_range, "-1"), (parse.seed_range, "0..9999999"),
    (parse.amount_usd, "0"), (parse.amount_usd, "-5"), (parse.amount_usd, "nan"), (parse.amount_usd, "1.005"),
    (parse.amount_usd, "lots"), (parse.amount_usd, "inf"),
    (parse.speed_factor, "0"), (parse.speed_factor, "nan"), (parse.speed_factor, "quick"),
    (parse.word_list, "a,,b"), (parse.word_list, "a,a"), (parse.word_list, ""),
    (parse.coin_list, "BTC/USDT"),
    (parse.account_name, "../x"), (parse.account_name, ""), (parse.account_name, "x" * 65),
])
def test_a_bad_word_is_one_line(function: Callable[[str], Any], text: str) -> None:
    """What cannot be understood is refused with the text and how to write it."""
    with pytest.raises(typer.BadParameter) as caught:
        function(text)
    assert "\n" not in caught.value.message
    assert repr(text)[:8] in caught.value.message


@given(st.integers(0, 99), st.integers(0, 23), st.integers(0, 59))
def test_a_duration_is_the_sum_of_its_parts(days: int, hours: int, minutes: int) -> None:
    """Parts add up, whichever are given."""
    text = f"{days}d{hours}h{minutes}m1s"
    assert parse.duration_ns(text) == ((days * 24 + hours) * 3_600 + minutes * 60 + 1) * NS_PER_S

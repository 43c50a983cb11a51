"""F44: a stablecoin leaves its peg under everything that is held in it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from bot.domain.commands import Alert
from bot.domain.events import PegPrices
from bot.domain.values import NS_PER_HOUR, NS_PER_MINUTE, Nanos, Venue
from bot.engine import peg_worth
from bot.engine.engine import Engine
from bot.engine.exposure import exposure_of
from bot.engine.params import EngineParams
from bot.engine.turn import Turn
from bot.strategy.params import CarryParams
from tests.unit.engine.driving import ALPHA, BETA, ONE_VENUE, T0, TWO_VENUES, Drive


def told(price: Callable[[float], float], hours: float, *sources: Venue, every_min: int = 5) -> list[PegPrices]:
    """What venues say of USDT, hours since T0 -> USD."""
    return [PegPrices(Nanos(T0 + minute * NS_PER_MINUTE), source, (("USDT", Decimal(repr(price(minute / 60)))),))
            for minute in range(0, int(hours * 60), every_min) for source in sources or (ALPHA,)]


def falls(to: float, at_h: float = 3.0, back_h: float = 99.0) -> Callable[[float], float]:
    """At par until then."""
    return lambda hour: to if at_h <= hour < back_h else 1.0


def turn_of(engine: Engine) -> Turn:
    return Turn(engine.state, engine.revalued_ledger(), engine.params, engine.state.now_ns)


def reasons(drive: Drive, venue: Venue = ALPHA) -> tuple[str, ...]:
    return drive.engine.state.modes.venue_reasons(venue)


def test_F44_off_its_peg_nothing_is_opened_and_what_is_held_stays() -> None:
    """One per cent: blocked by name and paged, the pair is whole and kept, equity counts at the price."""
    drive = Drive(extra=told(falls(0.99), 6)).run(5)
    assert reasons(drive) == ("depeg",)
    assert drive.alerts.count("depeg") == 1
    assert [alert.page for alert in drive.commands if isinstance(alert, Alert) and alert.name == "depeg"] == [True]
    assert drive.pair.live
    row = next(limit for limit in drive.engine.view().limits if limit.limit == "peg_USDT")
    assert (round(row.value, 6), row.allowed) == (1.0, 0.5)
    turn = turn_of(drive.engine)
    assert peg_worth.kept_share(turn) == pytest.approx(0.99)
    like = next(order.order.intent for order in drive.orders if not order.order.intent.reduces_owner)
    exposure = exposure_of(turn, like)
    assert exposure.blocked == "depeg"
    assert exposure.equity_usd == pytest.approx(0.99 * float(turn.equity_usd()))


def test_F44_far_below_its_peg_all_pairs_in_it_are_closed_slice_by_slice() -> None:
    """Five per cent: closed with its reason, and not opened again while it lasts."""
    drive = Drive(extra=told(falls(0.95), 8)).run(8)
    assert drive.pair.exit_reason == "depeg"
    assert not drive.pair.live
    assert len(drive.engine.state.pairs) == 1
    assert "parent_started" in drive.notes
    assert drive.residual() == 0


def test_F44_back_at_its_peg_opens_come_back() -> None:
    """After an hour of calm; then nothing is left of it."""
    params = EngineParams(carry=CarryParams(cool_down_h=0.0))
    drive = Drive(extra=told(falls(0.95, 3, 5), 12), params=params).run(5.9)
    assert reasons(drive) == ("depeg",)
    assert peg_worth.kept_share(turn_of(drive.engine)) == 1.0
    drive.run(6)
    assert reasons(drive) == ()
    assert len(drive.engine.state.pairs) > 1


def test_F44_one_venue_alone_proves_no_depeg() -> None:
    """The source nearest to a dollar counts; both agreeing, it is one."""
    lies = told(falls(0.90), 8, BETA) + told(lambda hour: 1.0, 5, ALPHA)
    drive = Drive(instruments=TWO_VENUES, extra=lies).run(4.9)
    assert "depeg" not in reasons(drive)
    drive.run(2.5)
    assert "depeg" in reasons(drive, BETA)  # the other has said nothing for too long


def test_F44_a_price_that_grew_old_is_none() -> None:
    """Where there has been one, nothing opens until there is one again; a short silence is no news."""
    gap = [event for event in told(lambda hour: 1.0, 9) if not 3.0 <= (event.at_ns - T0) / NS_PER_HOUR < 4.0]
    drive = Drive(extra=gap).run(3.1)
    assert reasons(drive) == ()
    drive.run(0.5)
    assert reasons(drive) == ("peg_unknown",)
    drive.run(0.5)
    assert reasons(drive) == ()
    assert drive.notes.count("peg_unknown") == 1


def test_F44_where_nobody_names_a_price_par_is_assumed() -> None:
    """Recorded history has none: nothing is blocked, nothing is cut."""
    drive = Drive().run(5)
    assert reasons(drive) == ()
    assert peg_worth.kept_share(turn_of(drive.engine)) == 1.0


@pytest.mark.parametrize("nonsense", ["NaN", "0", "-1", "Infinity"])
def test_F44_nonsense_is_no_price(nonsense: str) -> None:
    """R7: it is counted and not believed, and a source of nothing else is as good as none."""
    drive = Drive(days=0.1, extra=[
        PegPrices(Nanos(T0 + minute * NS_PER_MINUTE), ALPHA, (("USDT", Decimal(nonsense)),)) for minute in (1, 6, 11)])
    drive.run()
    assert reasons(drive) == ("peg_unknown",)
    assert drive.engine.state.market.pegs == {}
    assert drive.engine.state.market.odd_prices == 3


def test_F44_the_guard_outlives_the_process() -> None:
    """A snapshot holds it."""
    drive = Drive(instruments=ONE_VENUE, extra=told(falls(0.99), 6)).run(5)
    again = Engine.restore(drive.params, drive.engine.snapshot())
    assert again.state.pegs == drive.engine.state.pegs
    assert again.state.pegs["USDT"].blocked
    assert again.snapshot() == drive.engine.snapshot()

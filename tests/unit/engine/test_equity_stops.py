"""F80: a stop on equity closes nothing because of one leg's old or odd price."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from bot.domain.events import Mark, MarketEvent, Marks, Quote, Quotes
from bot.domain.values import NS_PER_HOUR, NS_PER_MINUTE, Nanos
from bot.engine.equity_sample import equity_sample
from bot.engine.params import EngineParams
from bot.engine.turn import Turn
from bot.risk.params import RiskLimits
from tests.unit.engine.driving import PERP, SPOT, T0, Drive

PARAMS = EngineParams(risk=RiskLimits(drawdown_stop_pct=1.0, daily_loss_stop_pct=20.0))
FROM_H, TO_H = 3.0, 4.0


class Bent(Drive):
    """A drive whose market events between the hours 3 and 4 are bent before anybody sees them."""

    def __init__(self, bend: Callable[[MarketEvent], MarketEvent | None], **given: object) -> None:
        super().__init__(params=PARAMS, **given)  # type: ignore[arg-type]
        begin, end = T0 + FROM_H * NS_PER_HOUR, T0 + TO_H * NS_PER_HOUR
        events = [bend(event) if begin <= event.at_ns < end else event for event in self.script.events]
        self.script.events = [event for event in events if event is not None]


def marks_at(share: str) -> Callable[[MarketEvent], MarketEvent]:
    """All marks stand off their market by so much."""
    def bend(event: MarketEvent) -> MarketEvent:
        if not isinstance(event, Marks):
            return event
        marks = tuple(Mark(mark.instrument, mark.mark * Decimal(share)) for mark in event.marks)
        return Marks(event.at_ns, event.venue, marks)
    return bend


def without_marks(event: MarketEvent) -> MarketEvent | None:
    """The perpetual's marks stop, its quotes do not."""
    return None if isinstance(event, Marks) else event


def spot_falls(event: MarketEvent) -> MarketEvent | None:
    """Marks stop and the coin falls by 9 %: the old mark of the short leg hides what it has gained."""
    if not isinstance(event, Quotes):
        return without_marks(event)
    return Quotes(event.at_ns, event.venue, tuple(
        Quote(q.instrument, q.bid_ticks * 91 // 100, q.bid_ticks * 91 // 100 + 1, q.bid_lots, q.ask_lots, q.depth_lots)
        for q in event.quotes))


def modes(drive: Drive) -> list[str]:
    return list(drive.engine.state.modes.reduce_only)


def turn_of(drive: Drive) -> Turn:
    return Turn(drive.engine.state, drive.engine.revalued_ledger(), drive.params, drive.engine.state.now_ns)


def test_F80_marks_off_their_market_for_an_hour_close_nothing() -> None:
    """The short leg's mark says 9 % lost, its own book says nothing: blocked, paged once, kept, and lifted."""
    drive = Bent(marks_at("1.09")).run(3.9)
    assert modes(drive) == ["equity_unsure"]
    assert drive.alerts.count("equity_unsure") == 1
    assert "drawdown" not in drive.alerts
    assert drive.pair.live
    drive.run(0.5)
    assert modes(drive) == []
    assert drive.pair.exit_reason == ""


def test_F80_an_old_mark_of_one_leg_closes_nothing() -> None:
    """The coin falls while the perpetual's last mark is old: equity looks lost, and it is not known."""
    drive = Bent(spot_falls).run(3.5)
    sample = equity_sample(turn_of(drive))
    assert sample.doubtful == (PERP.id,)
    assert modes(drive) == ["equity_unsure"]
    assert "drawdown" not in drive.alerts
    assert drive.pair.live


def test_F80_a_loss_that_both_sources_show_still_stops() -> None:
    """The perpetual alone rises by 9 %, mark and book: it is real, and closed."""
    def bend(event: MarketEvent) -> MarketEvent:
        if isinstance(event, Quotes):
            return Quotes(event.at_ns, event.venue, tuple(
                q if q.instrument == SPOT.id else msgspec.structs.replace(
                    q, bid_ticks=q.bid_ticks * 109 // 100, ask_ticks=q.bid_ticks * 109 // 100 + 1)
                for q in event.quotes))
        return marks_at("1.09")(event)

    drive = Bent(bend).run(3.9)
    assert "drawdown" in drive.alerts
    assert drive.pair.exit_reason == "drawdown"


def test_F80_a_price_that_waits_for_a_second_source_is_in_doubt() -> None:
    """Beyond the collar nothing is believed, and what is held by the price before is not known either."""
    drive = Drive(params=PARAMS).run(3.0)
    turn = turn_of(drive)
    assert equity_sample(turn).doubtful == ()
    market = drive.engine.state.market
    market.suspects[SPOT.id] = (turn.now_ns + 1, 1_500.0)
    market.suspects[f"mark of {PERP.id}"] = (turn.now_ns + 1, 1_500.0)
    assert set(equity_sample(turn).doubtful) == {SPOT.id, PERP.id}


@pytest.mark.parametrize("index", [None, "1003"])
def test_F80_a_coins_second_source_is_the_index_of_its_perpetual(index: str | None) -> None:
    """Without one it counts at V."""
    drive = Drive(params=PARAMS).run(3.0)
    state = drive.engine.state
    mark = state.market.marks[PERP.id]
    state.market.marks[PERP.id] = msgspec.structs.replace(mark, index=Decimal(index) if index else None)
    turn = turn_of(drive)
    sample = equity_sample(turn)
    coins = turn.ledger.net(SPOT.id)
    perp = turn.ledger.net(PERP.id) * ((state.market.mid(PERP.id) or 0) - state.market.value(PERP.id))
    spot = coins * (Decimal(index) - state.market.value(SPOT.id)) if index else Decimal(0)
    assert coins > 1
    assert sample.second_usd - sample.equity_usd == perp + spot


def test_F80_dust_and_what_is_halted() -> None:
    """A halted coin has no price now; too little of it to matter needs none."""
    drive = Drive(params=PARAMS).run(3.0)
    state = drive.engine.state
    state.market.halted[SPOT.id] = "maintenance"
    assert equity_sample(turn_of(drive)).doubtful == (SPOT.id,)
    later = Nanos(state.now_ns + 10 * NS_PER_MINUTE)
    assert set(equity_sample(Turn(state, drive.engine.revalued_ledger(), PARAMS, later)).doubtful) == {SPOT.id, PERP.id}
    drive = Drive(params=PARAMS).run(0.01)
    drive.engine.state.market.halted[SPOT.id] = "maintenance"
    assert equity_sample(turn_of(drive)).doubtful == ()

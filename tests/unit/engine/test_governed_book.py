"""The governed engine on a market with a past: models are fitted and moved on, and the sheet says what holds."""

from __future__ import annotations

import msgspec
import pytest

from bot.domain.commands import Alert, FitModels
from bot.domain.events import AnyEvent, ModelsFitted
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S, Nanos
from bot.engine.engine import Engine
from bot.engine.params import EngineParams
from bot.engine.step import Step
from bot.risk.sheet import RiskSheet
from bot.runtime.sim_world import small_market
from bot.venues.simulated.market.params import EmbeddedParams
from tests.embedded_world import START, embedded_world

SEED = 4
"""A market that pays at its start, so that pairs are held."""


class Governed:
    """An engine at its defaults over the small embedded market, run for some hours."""

    def __init__(self, hours: float) -> None:
        self.engine = Engine(EngineParams())
        self.end = START + int(hours * NS_PER_HOUR)
        world = embedded_world(small_market(EmbeddedParams()), SEED, self.end)
        self.schedule, self.session = world.schedule, world.session
        self.steps: list[Step] = []
        while (event_now := self.schedule.pop()) is not None:
            self.take(event_now)

    def take(self, event: AnyEvent) -> Step:
        """One event through engine and venues."""
        step = self.engine.step(event)
        self.steps.append(step)
        self.schedule.handle(event.at_ns, step.commands)
        self.schedule.wake(step.wake_ns)
        return step

    def notes(self, name: str) -> list[dict[str, str]]:
        """What was noted under a name."""
        return [dict(note.keys) for step in self.steps for note in step.notes if note.name == name]


@pytest.fixture(scope="module")
def run() -> Governed:
    return Governed(4.0)


@pytest.fixture(scope="module")
def sheet(run: Governed) -> RiskSheet:
    return run.engine.risk_sheet()


def test_the_sheet_is_of_the_book_and_its_parts_sum(run: Governed, sheet: RiskSheet) -> None:
    """Component shortfalls sum to the shortfall; the equity is the books'."""
    assert sheet.enabled
    assert sheet.equity_usd == pytest.approx(float(run.engine.ledger.equity_usd()), rel=1e-3)
    assert sheet.tail is not None
    assert sum(part for _, part in sheet.tail.parts) == pytest.approx(sheet.tail.es_usd, rel=1e-6)
    shortfall, value_at_risk = sheet.tail.es_usd, sheet.tail.var_es_level_usd
    assert shortfall is not None
    assert value_at_risk is not None
    assert 0 < value_at_risk <= shortfall
    assert sheet.stress
    assert {row.limit for row in sheet.limits} >= {"es", "leverage", "coin_share", "venue_share", "drawdown"}
    assert all(row.state == "ok" for row in sheet.limits if row.limit in ("es", "drawdown", "daily_loss"))


def test_every_pool_stands_within_what_its_caps_allow(sheet: RiskSheet) -> None:
    """Leverage in use under leverage allowed; top-up is due before reduction is."""
    held = [row for row in sheet.margin if row.notional_usd]
    assert held
    for row in held:
        assert row.leverage is not None
        assert row.leverage_allowed is not None
        assert 0 < row.leverage <= row.leverage_allowed * 1.2
        assert row.top_up_below_pct is not None
        assert row.reduce_below_pct is not None
        assert row.reduce_below_pct < row.top_up_below_pct


def test_each_coin_tells_its_model_and_its_caps(sheet: RiskSheet) -> None:
    """A fit of stated age and quality, a forecast by several models, and a cap with what binds it."""
    assert {row.coin for row in sheet.coins} == {"BTC", "XRP"}
    for row in sheet.coins:
        assert row.fitted_model
        assert row.fit_points > 200
        assert row.persistence is not None
        assert 0 < row.persistence < 1
        assert row.sigma_day_pct is not None
        assert row.sigma_day_pct >= max(sigma for source, sigma in row.models if source == row.source) - 1e-9
        assert row.cap_short > 0
        assert row.binding_short


def test_fits_are_asked_for_once_and_answered(run: Governed) -> None:
    """One request at the start for both coins, one answer, none refused."""
    asked = [command for step in run.steps for command in step.commands if isinstance(command, FitModels)]
    assert [len(command.series) for command in asked] == [2]
    assert [note["request_id"] for note in run.notes("models_fitted")] == [asked[0].request_id]


def test_a_switched_off_governor_says_so(run: Governed) -> None:
    """The figures stay, the verdict is `off`."""
    params = EngineParams()
    off = msgspec.structs.replace(params, governor=msgspec.structs.replace(params.governor, enabled=False))
    assert Engine.restore(off, run.engine.snapshot()).risk_sheet().verdict == "off"


class Asking:
    """A copy of the engine a month on, when fits are due again; nobody answers."""

    def __init__(self, run: Governed) -> None:
        self.engine = Engine.restore(run.engine.params, run.engine.snapshot())
        self.now = run.end
        for own in self.engine.state.models.coins.values():
            own.asked_ns = 0
        self.engine.state.models.look_ns = 0

    def fitted(self, request_id: str, why: str = "") -> Step:
        """A worker's answer."""
        self.now += 1
        answer = ModelsFitted(at_ns=Nanos(self.now), request_id=request_id, stamp_ns=0, fits=(), why=why)
        return self.engine.step(answer)

    def wake(self, minutes: float = 0.0) -> Step:
        """Whatever is due."""
        self.now += int(minutes * NS_PER_MINUTE)
        return self.fitted("nobody's")


def requests(step: Step) -> list[str]:
    return [command.request_id for command in step.commands if isinstance(command, FitModels)]


def test_a_request_without_an_answer_is_made_again(run: Governed) -> None:
    """One is out at a time; after ten minutes it is overdue, and its late answer is dropped."""
    asking = Asking(run)
    (first,) = requests(asking.wake())
    assert requests(asking.wake(5.0)) == []
    late = asking.wake(6.0)
    (second,) = requests(late)
    assert second != first
    assert "fit_overdue" in [note.name for note in late.notes]
    assert "fit_dropped" in [note.name for note in asking.fitted(first).notes]


def test_a_worker_that_failed_is_told_and_the_old_models_serve(run: Governed) -> None:
    """The failure is an alert; what was fitted before stays in use."""
    asking = Asking(run)
    (request,) = requests(asking.wake())
    before = {coin: own.models for coin, own in asking.engine.state.models.coins.items()}
    step = asking.fitted(request, "out of memory")
    assert "models_not_fitted" in [command.name for command in step.commands if isinstance(command, Alert)]
    assert asking.engine.state.models.failed == "out of memory"
    assert {coin: own.models for coin, own in asking.engine.state.models.coins.items()} == before


def test_a_new_session_asks_again_for_what_was_out(run: Governed) -> None:
    """The worker went with its process."""
    asking = Asking(run)
    requests(asking.wake())
    asking.now += NS_PER_S
    restarted = msgspec.structs.replace(run.session, at_ns=Nanos(asking.now), epoch=2, resumed=True, trade_from_ns=0)
    assert len(requests(asking.engine.step(restarted)) + requests(asking.wake())) == 1


def test_forecasts_move_on_with_the_days(run: Governed) -> None:
    """Every coin's models stand at the last full day, whatever was fitted when."""
    assert {own.day for own in run.engine.state.models.coins.values()} == {(run.end - 1) // NS_PER_DAY}

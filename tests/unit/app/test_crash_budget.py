"""F61: three crashes in ten minutes and nothing opens, five and nothing starts until a person says so."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bot.app.crash_budget import CrashBudget
from bot.domain.errors import StaysDown
from bot.domain.events import Control, OperatorAction
from bot.domain.values import NS_PER_S
from bot.risk.modes import Mode
from bot.runtime.clock import SystemClock
from bot.runtime.params import RuntimeParams
from bot.storage.start_record import KEPT_MAX, StartRecord
from bot.telemetry.alerts import AlertRunner
from tests.unit.engine.alone import Alone, names
from tests.unit.engine.driving import ONE_VENUE, Drive, session


class At(SystemClock):
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.at_ns = 1_700_000_000 * NS_PER_S

    def now_ns(self) -> int:  # type: ignore[override]
        return self.at_ns


def budget(folder: Path, clock: At) -> CrashBudget:
    return CrashBudget(StartRecord(folder / "starts.json"), RuntimeParams(), clock, AlertRunner())


def crash(folder: Path, clock: At, times: int, after_crashes: bool = False) -> str:
    """So many starts that do not end, half a minute apart; what the last one may not do."""
    said = ""
    for _ in range(times):
        said = budget(folder, clock).begin(after_crashes=after_crashes)
        clock.at_ns += 30 * NS_PER_S
    return said


def test_F61_the_start_after_three_crashes_opens_nothing(tmp_path: Path) -> None:
    """The third start still may; the fourth says why it may not."""
    clock = At()
    assert crash(tmp_path, clock, 3) == ""
    assert "3 starts within 600 s" in crash(tmp_path, clock, 1)


def test_F61_after_five_nothing_starts_until_somebody_says_so(tmp_path: Path) -> None:
    """Exit code 75, which the service file does not answer with another start."""
    clock = At()
    crash(tmp_path, clock, 5)
    with pytest.raises(StaysDown, match="--after-crashes") as caught:
        budget(tmp_path, clock).begin(after_crashes=False)
    assert caught.value.exit_code == 75
    assert "5 starts" in budget(tmp_path, clock).begin(after_crashes=True)


def test_F61_ends_in_order_and_old_crashes_do_not_count(tmp_path: Path) -> None:
    """A run that ended, and what lies more than ten minutes back."""
    clock = At()
    for _ in range(8):
        each = budget(tmp_path, clock)
        assert each.begin(after_crashes=False) == ""
        each.end()
    crash(tmp_path, clock, 4)
    clock.at_ns += 601 * NS_PER_S
    assert crash(tmp_path, clock, 1) == ""


def test_F61_a_record_that_cannot_be_read_or_written_is_no_reason_to_trade_on(tmp_path: Path) -> None:
    """Nothing is known: nothing opens."""
    (tmp_path / "starts.json").write_bytes(b"{")
    assert "not known" in budget(tmp_path, At()).begin(after_crashes=False)
    gone = budget(tmp_path / "gone", At())
    assert gone.begin(after_crashes=False) == ""
    gone.end()


def test_the_record_stays_small(tmp_path: Path) -> None:
    """Years of starts are one short file."""
    clock = At()
    for _ in range(KEPT_MAX + 20):
        clock.at_ns += 1_000 * NS_PER_S
        each = budget(tmp_path, clock)
        each.begin(after_crashes=False)
        each.end()
    assert (tmp_path / "starts.json").read_bytes().count(b"started_ns") == KEPT_MAX


def test_F61_a_crash_loop_reduces_until_an_operator_resumes() -> None:
    """Reconciling does not lift it: the next crash may be one order away."""
    alone = Alone(Drive().run_to_note("pair_opened").run(0.1))
    begin = session(ONE_VENUE, at_ns=alone.after(30), epoch=2, resumed=True)
    step = alone.take(msgspec.structs.replace(begin, crash_loop="3 starts within 600 s"))
    assert "crash_loop" in names(step)
    alone.take(alone.report())
    assert alone.engine.state.modes.mode() is Mode.REDUCE_ONLY
    alone.take(Control(alone.after(1), OperatorAction.RESUME, "tester"))
    assert alone.engine.state.modes.mode() is Mode.RUN

"""Where a run shows itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.cli.screens import LiveScreen, QuietScreen, open_screen
from bot.engine.view import EngineView
from tests.unit.cli.sample_view import busy


class FakeLiveView:
    """Counts what the terminal would see."""

    calls: list[str]

    def __init__(self) -> None:
        self.calls.append("new")

    def __enter__(self) -> FakeLiveView:
        self.calls.append("open")
        return self

    def __exit__(self, *error: object) -> None:
        self.calls.append("close")

    def update(self, view: EngineView) -> None:
        """One picture."""
        self.calls.append(view.mode)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the live view was asked to do."""
    FakeLiveView.calls = []
    monkeypatch.setattr("bot.cli.live_view.LiveView", FakeLiveView)
    return FakeLiveView.calls


@pytest.mark.parametrize(("as_json", "live", "terminal", "kind"), [
    (False, True, True, LiveScreen), (True, True, True, QuietScreen), (False, True, False, QuietScreen),
    (False, False, True, QuietScreen),
])
def test_the_live_view_is_for_people_watching_a_run(
    as_json: bool, live: bool, terminal: bool, kind: type, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """JSON, pipes and verbs that end by themselves get lines."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    assert type(open_screen(as_json, live=live)) is kind


def test_a_quiet_screen_keeps_stdout_for_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress goes to stderr, so that stdout is one document."""
    screen = QuietScreen(as_json=True)
    screen.show(busy())
    screen.progress("2024-03 done")
    screen.report({"net_pct": 1.0})
    screen.close()
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"net_pct": 1.0}
    assert shown.err == "2024-03 done\n"


def test_the_report_comes_below_the_last_picture(calls: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal is given back before anything else is printed, and only once."""
    screen: Any = LiveScreen()
    screen.progress("before")
    screen.show(busy())
    screen.progress("while it is open: not torn")
    screen.show(busy())
    screen.report("the end")
    screen.show(busy())
    screen.close()
    assert calls == ["new", "open", busy().mode, busy().mode, "close"]
    shown = capsys.readouterr()
    assert shown.out == "the end\n"
    assert shown.err == "before\n"

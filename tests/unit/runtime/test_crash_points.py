"""Crash points: named places, counted, and refused where nobody rehearses."""

from __future__ import annotations

import pytest

from bot.domain.errors import ConfigRefused
from bot.runtime.crash_points import CrashAt, CrashPoints, crash_at_from, crash_points_from


def test_the_form_of_a_point_is_read_and_written_alike() -> None:
    """A report's point can be given to EVENKEEL_CRASH_AT as it stands."""
    for text in ("before_commit:1", "after_order:120", "before_books:7+2500"):
        assert str(crash_at_from(text)) == text
    assert crash_at_from("before_books:7+2500") == CrashAt("before_books", 7, 2500)


@pytest.mark.parametrize("text", ["before_commit", "before_commit:0", "nowhere:1", "before_commit:1+", "x", ":1"])
def test_another_form_is_refused_by_name(text: str) -> None:
    """One line that lists the places."""
    with pytest.raises(ConfigRefused, match="before_commit"):
        crash_at_from(text)


def test_places_are_counted_only_for_who_looks() -> None:
    """A daemon at work pays one comparison per place."""
    idle, seen = CrashPoints(), []
    idle("before_commit")
    assert idle.counts["before_commit"] == 0
    watched = CrashPoints(lambda name, count: seen.append((name, count)))
    watched("after_send")
    watched("after_send")
    assert (seen, watched.counts["after_send"]) == ([("after_send", 1), ("after_send", 2)], 2)


def test_no_point_is_no_action() -> None:
    """An empty variable is an unset one."""
    points = crash_points_from("")
    points("before_commit")
    assert points.counts["before_commit"] == 0

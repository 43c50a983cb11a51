"""Modes: reasons stack, and a mode is lifted only with its last reason."""

from __future__ import annotations

from bot.domain.values import InstrumentId, Nanos, Venue
from bot.risk.modes import Mode, ModeState, Reason

ALPHA, BTC = Venue("alpha"), InstrumentId("alpha:BTC/USDT")


def reason(name: str, at: int = 1) -> Reason:
    return Reason(name, Nanos(at), "text", "resume")


def test_reasons_stack_and_the_strictest_mode_holds() -> None:
    """HALTED over REDUCE_ONLY over RUN, each until its last reason is gone."""
    modes = ModeState()
    assert modes.mode() is Mode.RUN
    assert modes.reduce(reason("operator"))
    assert modes.reduce(reason("drawdown"))
    assert modes.halt(reason("kill"))
    assert modes.mode() is Mode.HALTED
    assert [each.name for each in modes.reasons()] == ["kill", "operator", "drawdown"]
    assert modes.lift("kill")
    assert modes.lift("operator")
    assert modes.mode() is Mode.REDUCE_ONLY
    assert modes.lift("drawdown")
    assert modes.mode() is Mode.RUN


def test_a_reason_given_twice_holds_since_the_first_time() -> None:
    """The second is not new and does not restart the clock."""
    modes = ModeState()
    modes.halt(reason("kill", 1))
    assert not modes.halt(reason("kill", 2))
    assert modes.reasons()[0].since_ns == 1


def test_a_name_in_both_modes_is_lifted_from_both() -> None:
    """Nothing of it stays."""
    modes = ModeState()
    modes.halt(reason("storage"))
    modes.reduce(reason("storage"))
    assert modes.lift("storage")
    assert modes.mode() is Mode.RUN
    assert not modes.lift("storage")


def test_venues_and_instruments_block_for_themselves() -> None:
    """A block names what it blocks, and the account's mode comes first."""
    modes = ModeState()
    assert modes.blocks_open(ALPHA, BTC) == ""
    assert modes.block_instrument(BTC, reason("rejects"))
    assert modes.blocks_open(ALPHA, BTC) == "rejects"
    assert modes.blocks_open(ALPHA, InstrumentId("alpha:ETH/USDT")) == ""
    assert modes.block_venue(ALPHA, reason("disconnected"))
    assert modes.blocks_open(ALPHA, BTC) == "disconnected"
    assert modes.venue_reasons(ALPHA) == ("disconnected",)
    modes.reduce(reason("operator"))
    assert modes.blocks_open(ALPHA, BTC) == "operator"
    modes.halt(reason("kill"))
    assert modes.blocks_open(ALPHA, BTC) == "kill"
    assert modes.unblock_venue(ALPHA, "disconnected")
    assert not modes.unblock_venue(ALPHA, "disconnected")
    assert modes.unblock_instrument(BTC, "rejects")
    assert not modes.unblock_instrument(BTC, "rejects")
    assert not modes.unblock_venue(Venue("beta"), "disconnected")
    assert modes.venue_reasons(Venue("beta")) == ()

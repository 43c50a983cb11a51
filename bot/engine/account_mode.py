"""What the bot assumes of an account: cross margin, one-way positions, enough leverage; read after read (F42)."""

from __future__ import annotations

import math

from bot.domain.events import AccountMode, AccountReport
from bot.engine.turn import Turn


def check(turn: Turn, report: AccountReport) -> None:
    """Someone changed the account: nothing is set back silently and nothing opens there until it is as assumed."""
    if report.mode is None:
        return  # the venue does not say
    wrong = _wrong(report.mode, turn.params.carry.leverage)
    if not wrong:
        if turn.state.modes.unblock_venue(report.venue, "account_mode"):
            turn.note("account_mode_restored", venue=report.venue)
        return
    text = f"{report.venue}: the account's mode is not as assumed: {'; '.join(wrong)}"
    if turn.state.modes.block_venue(report.venue, turn.reason("account_mode", text, "the mode set back at the venue")):
        turn.alert("account_mode", text, page=True)


def _wrong(mode: AccountMode, leverage: float) -> list[str]:
    wrong = []
    if mode.margin != "cross":
        wrong.append(f"margin is {mode.margin}, not cross")
    if mode.positions != "one_way":
        wrong.append(f"positions are {mode.positions}, not one_way")
    if mode.multi_asset:
        wrong.append("multi-asset margin is on")
    if 0 < mode.leverage < math.ceil(leverage):
        wrong.append(f"leverage is {mode.leverage}, {math.ceil(leverage)} is needed")
    return wrong

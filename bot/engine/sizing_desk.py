"""Targets of a decision: rank and caps, and the sizing options where the configuration asks for them.

The plain rule costs nothing more. With an option on, the program is asked only where something would be added: what is
held was sized when it was added, and caps and the governor watch it since.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.engine.governing import pair_legs
from bot.engine.turn import Turn
from bot.strategy.allocation import Allocation, Book, allocate
from bot.strategy.sizing import PairRisk, sized
from bot.strategy.verdict import Action, Verdict


def allocated(turn: Turn, verdicts: Sequence[Verdict], book: Book) -> Allocation:
    """Who gets how much."""
    params, state = turn.params.sizing, turn.state.governor
    asked = [each.candidate for each in verdicts
             if each.action is Action.OPEN or each.candidate.key in book.held_usd]
    adds = any(each.action is Action.OPEN or each.may_grow for each in verdicts)
    if params.plain or not adds:
        return allocate(verdicts, book, turn.params.carry)
    tail = turn.memory.tail(turn.state, pair_legs(asked), turn.params.governor)
    risk = PairRisk(keys=tuple(tail.keys), covariance=tail.covariance_annual())
    found = sized(verdicts, book, turn.params.carry, params, risk, state.volatility_scale)
    state.volatility_scale = None if found.scale is None else round(found.scale, 9)
    if found.not_solved:
        text = found.not_solved + (f" ({', '.join(found.conflict)})" if found.conflict else "")
        turn.note("sizing_held", reason=text)
        if found.not_solved != state.not_sized:
            turn.alert("sizing_not_solved", f"the book is left as it is: {text}")
    state.not_sized = found.not_solved
    return found.allocation

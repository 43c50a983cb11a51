"""Rare states that a long simulation must have reached: a fault plan that never gets there proves nothing."""

from __future__ import annotations

from typing import Final

from bot.domain.commands import CancelOrder, Transfer
from bot.domain.events import AnyEvent, CancelFailed, Control, Fill, ForcedFill, OperatorAction, SessionStarted
from bot.engine.engine import Engine
from bot.engine.step import Step
from bot.execution.order_states import OrderState
from bot.portfolio.pairs import PairState
from bot.risk.modes import Mode

NAMES: Final = (
    "unknown_at_restart", "one_legged_at_restart", "restart_while_unwinding", "restart_while_killed",
    "restart_during_twap", "transfer_under_way_at_restart", "kill_during_twap", "kill_with_unknown_order",
    "kill_while_down", "flatten_during_twap", "pause_while_one_legged", "died_with_order_unsent",
    "died_with_order_sent", "one_legged_with_venue_down", "unknown_with_venue_down", "duplicate_fill_seen",
    "fill_after_terminal", "foreign_fill", "not_placed_proven", "order_settling", "order_rejected", "partial_fill",
    "cancel_failed", "cancel_sent", "unwinding_reached", "operator_paged_one_legged", "unknown_for_30_s",
    "books_differ", "forced_fill", "forced_fill_while_unwinding", "margin_top_up", "rate_limited", "banned",
    "maintenance", "late_fill_reopened_pair", "kill_verified_flat", "breaker_opened", "breaker_probing",
    "breaker_closed", "hedge_flattened", "hedge_at_restart",
)
"""Every rare state that is counted, reached or not."""
_OF_NOTE: Final = {
    "order_not_placed": "not_placed_proven", "order_rejected": "order_rejected", "pair_unwinding": "unwinding_reached",
    "kill_verified_flat": "kill_verified_flat", "breaker_opened": "breaker_opened",
    "breaker_probing": "breaker_probing", "breaker_closed": "breaker_closed",
}
_OF_ALERT: Final = {
    "late_fill": "fill_after_terminal", "foreign_fill": "foreign_fill", "one_legged": "operator_paged_one_legged",
    "order_unresolved": "unknown_for_30_s", "books_differ": "books_differ",
}


class RareStates:
    """Counts how often each was reached."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(NAMES, 0)
        self._holding: dict[str, bool] = {}

    def note(self, name: str) -> None:
        """Reached once more."""
        self.counts[name] += 1

    def holds(self, name: str, reached: bool) -> None:
        """A state that lasts: counted when it begins."""
        if reached and not self._holding.get(name, False):
            self.note(name)
        self._holding[name] = reached

    def before(self, event: AnyEvent, engine: Engine) -> None:
        """What can only be seen before the engine answers."""
        if isinstance(event, Fill):
            book = engine.state.ledger.books.get(event.instrument)
            if book is not None and event.trade_id in book.trades:
                self.note("duplicate_fill_seen")
            order = engine.state.orders.get(event.order_id)
            if order is not None and order.state is OrderState.SETTLING:
                self.note("order_settling")

    def after(self, event: AnyEvent, step: Step, engine: Engine) -> None:
        """What an event and its step show."""
        for note in step.notes:
            if note.name in _OF_NOTE:
                self.note(_OF_NOTE[note.name])
            elif note.name == "venue_asked_to_wait":
                self.note(dict(note.keys)["reason"])
        for command in step.commands:
            name = _OF_ALERT.get(getattr(command, "name", ""))
            if name is not None:
                self.note(name)
            if isinstance(command, CancelOrder):
                self.note("cancel_sent")
            if isinstance(command, Transfer):
                self.note("margin_top_up")
        match event:
            case CancelFailed():
                self.note("cancel_failed")
            case ForcedFill():
                self.note("forced_fill")
                if any(pair.state is PairState.UNWINDING for pair in engine.state.pairs.values()):
                    self.note("forced_fill_while_unwinding")
            case Fill():
                self._fill(event, engine)
            case Control():
                self._operator(event.action, engine)
            case SessionStarted() if event.resumed:
                self._restart(engine)
            case _:
                pass

    def _fill(self, fill: Fill, engine: Engine) -> None:
        order = engine.state.orders.get(fill.order_id)
        if order is None:
            return
        if order.live and order.filled_lots < order.intent.quantity_lots:
            self.note("partial_fill")
        pair = engine.state.pairs.get(order.intent.owner)
        if pair is not None and pair.state is PairState.UNWINDING and not order.live and pair.opened_ns is not None:
            self.note("late_fill_reopened_pair")

    def _operator(self, action: OperatorAction, engine: Engine) -> None:
        working = any(pair.parent is not None for pair in engine.state.pairs.values() if pair.live)
        if action in (OperatorAction.KILL, OperatorAction.FLATTEN) and engine.state.hedge.legs:
            self.note("hedge_flattened")
        if action in (OperatorAction.KILL, OperatorAction.KILL_HOLD):
            if working:
                self.note("kill_during_twap")
            if _unknown(engine):
                self.note("kill_with_unknown_order")
        elif action is OperatorAction.FLATTEN and working:
            self.note("flatten_during_twap")
        elif action is OperatorAction.PAUSE and _one_legged(engine):
            self.note("pause_while_one_legged")

    def _restart(self, engine: Engine) -> None:
        pairs = [pair for pair in engine.state.pairs.values() if pair.live]
        for name, reached in (
            ("unknown_at_restart", _unknown(engine)), ("one_legged_at_restart", _one_legged(engine)),
            ("restart_while_unwinding", any(pair.state is PairState.UNWINDING for pair in pairs)),
            ("restart_while_killed", engine.state.modes.mode() is Mode.HALTED),
            ("restart_during_twap", any(pair.parent is not None for pair in pairs)),
            ("hedge_at_restart", bool(engine.state.hedge.legs)),
            ("transfer_under_way_at_restart", bool(engine.state.transfers)),
        ):
            if reached:
                self.note(name)


def _unknown(engine: Engine) -> bool:
    return any(engine.state.orders[order_id].state is OrderState.UNKNOWN for order_id in engine.state.live_orders)


def _one_legged(engine: Engine) -> bool:
    return any(pair.unhedged_since_ns is not None for pair in engine.state.pairs.values())

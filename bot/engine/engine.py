"""The engine: one event in, one step out. No await, no clock, no randomness, no log; equal events give equal steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from bot.domain import events as ev
from bot.domain.errors import Fatal
from bot.domain.events import AnyEvent, Event
from bot.domain.values import HEDGE, NS_PER_S, Nanos
from bot.engine import (
    account_desk,
    breaker_desk,
    control_desk,
    dead_man,
    decision,
    dust_desk,
    dust_parking,
    funding_desk,
    governing,
    hedge_desk,
    lifecycle_desk,
    makers,
    margin_desk,
    market_desk,
    models_desk,
    orders_desk,
    pairs_desk,
    peg_desk,
    rate_desk,
    rejects,
    venue_watch,
)
from bot.engine.governor_memory import GovernorMemory
from bot.engine.params import EngineParams
from bot.engine.risk_sheet import build_sheet
from bot.engine.state import EngineState
from bot.engine.state_bytes import read_state, write_state
from bot.engine.step import Note, Step
from bot.engine.turn import Turn
from bot.engine.view import EngineView
from bot.engine.view_builder import build_view
from bot.portfolio.ledger import Ledger
from bot.portfolio.ledger_state import LedgerState
from bot.risk.sheet import RiskSheet
from bot.strategy.candidates import enumerate_pairs
from bot.strategy.verdict import Candidate

_LOOKS_MAX: Final = 100
_IDLE: Final = Step()
_MARKET: Final = frozenset({
    ev.Marks, ev.TradingHalted, ev.BarsClosed, ev.FundingSettled, ev.ReferenceRate, ev.InstrumentsChanged,
    ev.ClosesKnown, ev.PegPrices,
})


class Engine:
    """Folds events into its state and decides. Drive it with `step`; look at it with `view`."""

    def __init__(self, params: EngineParams, state: EngineState | None = None) -> None:
        self.params = params
        self.state = state if state is not None else EngineState()
        self._ledger = Ledger(self.state.ledger)
        self._candidates: tuple[Candidate, ...] | None = None
        self._idle_step = _IDLE
        self._memory = GovernorMemory()
        market = self.state.market
        self._folds: dict[type[Event], Callable[[Any], None]] = {
            ev.Quotes: market.fold_quotes,
        }
        self._handlers: dict[type[Event], Callable[[Turn, Any], None]] = {
            ev.Marks: self._on_marks, ev.TradingHalted: self._on_halt,
            ev.BarsClosed: lambda turn, e: market_desk.on_bars(turn, e, self.candidates),
            ev.FundingSettled: market_desk.on_funding_settled,
            ev.ReferenceRate: market_desk.on_reference_rate, ev.PegPrices: self._on_pegs,
            ev.InstrumentsChanged: self._on_instruments, ev.ClosesKnown: models_desk.on_closes_known,
            ev.ModelsFitted: models_desk.on_fitted,
            ev.OrderAccepted: orders_desk.on_accepted, ev.OrderRejected: orders_desk.on_rejected,
            ev.OrderUnknown: orders_desk.on_unknown, ev.OrderClosed: orders_desk.on_closed,
            ev.CancelFailed: orders_desk.on_cancel_failed, ev.OrderReport: orders_desk.on_report,
            ev.Fill: orders_desk.on_fill, ev.ForcedFill: account_desk.on_forced_fill,
            ev.FundingPaid: funding_desk.on_paid, ev.CashMoved: account_desk.on_cash,
            ev.TransferEnded: account_desk.on_transfer_ended, ev.AccountReport: account_desk.on_report,
            ev.ReadFailed: account_desk.on_read_failed, ev.VenueConnection: account_desk.on_connection,
            ev.SessionStarted: self._on_session, ev.Control: control_desk.on_control,
            ev.StorageFailed: control_desk.on_storage_failed,
            ev.StorageRestored: lambda turn, e: control_desk.on_storage_restored(turn),
            ev.DiskLow: control_desk.on_disk_low,
            ev.ClockJumped: control_desk.on_clock_jumped,
            ev.InvariantBroken: control_desk.on_invariant_broken,
            ev.DeadlineReached: lambda turn, e: None,
            ev.CalendarFired: self._on_calendar,
        }

    # --------------------------------------------------------------------------------------------------- step

    def step(self, event: AnyEvent) -> Step:
        """Apply one event; equal event sequences give equal steps, live and in a backtest.

        Raises:
            Fatal: if time goes back or the event is of no known kind: the state behind it cannot be trusted.
        """
        now_ns = event.at_ns
        if now_ns < self.state.now_ns:
            raise Fatal(f"{type(event).__name__} at {now_ns} lies before the engine's time {self.state.now_ns}")
        self.state.now_ns = now_ns
        if now_ns > self.state.panel.edge_ns:  # all that was known at the hour's edge is folded
            models_desk.close_hours(self.state, self.params.governor, now_ns)
        fold = self._folds.get(type(event))
        if fold is not None:
            fold(event)
            return self._idle()
        if type(event) is ev.Prints:
            return self._idle()
        turn = Turn(self.state, self._ledger, self.params, now_ns, self._memory)
        handler = self._handlers.get(type(event))
        if handler is None:
            raise Fatal(f"unknown event {type(event).__name__}")
        handler(turn, event)
        if type(event) in _MARKET:
            return self._idle()  # nothing is judged between two market events of one instant; deadlines come after
        return self._finish(turn)

    def _idle(self) -> Step:
        """Nothing happened; the deadline stands."""
        if self._idle_step.wake_ns != self.state.wake_ns:
            self._idle_step = Step(wake_ns=self.state.wake_ns)
        return self._idle_step

    def _finish(self, turn: Turn) -> Step:
        """Everything that is due now, looks at pairs, and the next deadline."""
        state = self.state
        if state.session.epoch:
            self._run_due(turn)
        looks = 0
        while turn.looks:
            owner = next(iter(turn.looks))
            del turn.looks[owner]
            if owner == HEDGE:
                hedge_desk.look(turn)
            else:
                pairs_desk.look(turn, state.pairs[owner])
            looks += 1
            if looks > _LOOKS_MAX + len(state.pairs):  # some events look at every pair, also at those long flat
                raise Fatal(f"{owner} does not come to rest within one step")
        dead_man.tend(turn)
        control_desk.verify_flat(turn)
        if turn.rules_changed:
            self._candidates = None
        state.wake_ns = self._next_wake(turn)
        self._remember(turn.notes)
        return Step(tuple(turn.commands), tuple(turn.refusals), turn.record, tuple(turn.notes), state.wake_ns)

    def _run_due(self, turn: Turn) -> None:
        state = self.state
        if not state.session.trading:
            if turn.now_ns >= state.session.trade_from_ns:
                control_desk.begin_trading(turn)
            return
        lifecycle_desk.run_due(turn)
        rate_desk.lift(turn)
        models_desk.ask(turn)
        margin_desk.run_due(turn)
        account_desk.run_reads(turn)
        venue_watch.run_due(turn)
        rejects.run_due(turn)
        breaker_desk.run_due(turn)
        peg_desk.run_due(turn)
        orders_desk.resolve_doubts(turn)
        if state.transfers:
            account_desk.watch_transfers(turn)
        makers.wake(turn)
        pairs_desk.run_due(turn)
        dust_desk.run_due(turn)
        hedge_desk.run_due(turn)
        if state.next_rebalance_ns is not None and state.next_rebalance_ns <= turn.now_ns:
            state.next_rebalance_ns = decision.next_rebalance_ns(turn)
            if not any("not_reconciled" in reasons for reasons in state.modes.venues.values()):
                decision.rebalance(turn, self.candidates)
            else:
                state.next_rebalance_ns = Nanos(min(turn.now_ns + 10 * NS_PER_S, state.next_rebalance_ns))

    def _next_wake(self, turn: Turn) -> Nanos | None:
        state = self.state
        if not state.session.trading:
            return state.session.trade_from_ns if state.session.epoch else None
        due = (account_desk.next_read_ns(turn), orders_desk.next_doubt_ns(turn), rate_desk.next_lift_ns(turn),
               state.next_rebalance_ns, lifecycle_desk.next_ns(turn), venue_watch.next_ns(turn), rejects.next_ns(turn),
               breaker_desk.next_ns(turn), peg_desk.next_ns(turn), dead_man.next_ns(turn), dust_desk.next_ns(turn),
               hedge_desk.next_ns(turn))
        times = [*state.pair_wakes.values(), *(at_ns for at_ns in due if at_ns is not None)]
        return Nanos(max(min(times), turn.now_ns)) if times else None

    def _remember(self, notes: list[Note]) -> None:
        kept = self.state.notes
        for note in notes:
            if note.name != "idle_hours":
                kept.append(f"{self.state.now_ns} {note.name} " + " ".join(f"{k}={v}" for k, v in note.keys))
        if len(kept) > self.params.notes_kept:
            del kept[: len(kept) - self.params.notes_kept]

    # ------------------------------------------------------------------------------------------------ handlers

    def _on_marks(self, turn: Turn, event: ev.Marks) -> None:
        self.state.market.fold_marks(event)
        if margin_desk.due(turn, event.venue):
            self.state.wake_ns = turn.now_ns  # judged once every market event of this instant is folded

    def _on_pegs(self, turn: Turn, event: ev.PegPrices) -> None:
        if peg_desk.on_prices(turn, event):
            self.state.wake_ns = turn.now_ns  # judged once every venue has said its price

    def _on_halt(self, turn: Turn, event: ev.TradingHalted) -> None:
        self.state.market.fold_halt(event)
        if makers.wake(turn):
            self.state.wake_ns = turn.now_ns  # what rests there is cancelled once this instant is complete

    def _on_instruments(self, turn: Turn, event: ev.InstrumentsChanged) -> None:
        dust_parking.look_soon(turn)
        if lifecycle_desk.on_instruments(turn, event):
            self.state.wake_ns = turn.now_ns  # acted upon once every market event of this instant is folded
        self._candidates = None

    def _on_session(self, turn: Turn, event: ev.SessionStarted) -> None:
        self._candidates = None
        control_desk.on_session(turn, event)
        models_desk.on_session(turn)
        governing.on_session(turn)
        self._candidates = None

    def _on_calendar(self, turn: Turn, event: ev.CalendarFired) -> None:
        if event.job == "daily" and self.state.session.trading:
            margin_desk.check_stops(turn)
            turn.note("day_closed", **self._day(turn))
            orders_desk.forget_old(turn)
            pairs_desk.forget_flat(turn)

    def _day(self, turn: Turn) -> dict[str, object]:
        equity = turn.equity_usd()
        parts = self._ledger.attribution()
        btc = next((self.state.market.value_marks[i] for i, rules in self.state.market.instruments.items()
                    if rules.coin == "BTC" and i in self.state.market.value_marks), "")
        gross = sum(abs(row.value_usd) for row in self._ledger.holdings())
        return {
            "at_ns": turn.now_ns, "equity_usd": f"{equity:f}", "price": f"{parts.price:f}",
            "basis": f"{parts.basis:f}", "funding": f"{parts.funding:f}", "fees": f"{parts.fees:f}",
            "slippage": f"{parts.slippage:f}", "borrow": f"{parts.borrow:f}", "gross_usd": f"{gross:f}",
            "btc_price": str(btc),
        }

    # -------------------------------------------------------------------------------------------------- reading

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every pair that could be held; follows from the instruments."""
        if self._candidates is None:
            self._candidates = enumerate_pairs(self.state.market.instruments.values())
        return self._candidates

    @property
    def ledger(self) -> Ledger:
        """The books, for reading."""
        return self._ledger

    def revalued_ledger(self) -> Ledger:
        """The books with V of everything brought up to date, for reports at the end of a run."""
        Turn(self.state, self._ledger, self.params, self.state.now_ns).revalue_all()
        return self._ledger

    def view(self) -> EngineView:
        """What a person sees; computed on a copy of the books, so that looking changes nothing."""
        return build_view(self.state, self.params)

    def risk_sheet(self) -> RiskSheet:
        """What the governor knows and did; computed on a copy of the books, so that looking changes nothing."""
        copy = msgspec.msgpack.decode(msgspec.msgpack.encode(self.state.ledger), type=LedgerState)
        return build_sheet(Turn(self.state, Ledger(copy), self.params, self.state.now_ns, self._memory))

    def fold_only(self, event: AnyEvent, recorded_step: Step) -> None:
        """Fold an event whose decisions were made by another build: its own are dropped, the recorded orders kept."""
        self.step(event)
        for command in recorded_step.commands:
            orders_desk.adopt_recorded(self.state, command, event.at_ns)

    def snapshot(self) -> bytes:
        """The state's encoding."""
        return write_state(self.state)

    @classmethod
    def restore(cls, params: EngineParams, data: bytes) -> Engine:
        """The engine behind a snapshot.

        Raises:
            Fatal: if the bytes are not a snapshot.
            ConfigRefused: if a newer version of the program wrote it.
        """
        return cls(params, read_state(data))

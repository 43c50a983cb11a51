"""A fresh engine over a journal: every step as recorded, and R9's clock and the bound after reconciliation kept."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from bot.app.engines import Engines
from bot.domain.commands import SubmitOrder
from bot.domain.errors import BotError
from bot.domain.events import AnyEvent, Fill, ForcedFill, SessionStarted
from bot.domain.orders import OrderIntent
from bot.domain.values import NS_PER_S, OrderId, Owner, Venue
from bot.engine.engine import Engine
from bot.engine.step import Step
from bot.execution.order_states import OrderState
from bot.portfolio.pairs import Pair, PairState
from bot.settings import Settings
from bot.storage.journal import Journal
from bot.storage.journal_codec import encode_step

WHOLE_AFTER_S: Final = 60
"""So long after reconciliation every pair must rest."""
TRIM_S: Final = 5
"""What a trim that began at the end of R9's hedging time may take: the way there and back, and a second try.

A leg whose own order is in doubt is not tried again before that order is proven dead (R2): then the proof counts.
"""


class PromiseBroken(BotError):
    """The account does not stand as it must after a death."""


def require(holds: bool, text: str) -> None:
    """Raise `PromiseBroken` with the text unless it holds."""
    if not holds:
        raise PromiseBroken(text)


class Walk:
    """Goes over a journal once, in stretches: the engine is never restored, only stepped from the first event."""

    def __init__(self, settings: Settings) -> None:
        self.engine: Engine = Engines(settings.engine).create()
        self.intents: dict[OrderId, OrderIntent] = {}
        """Every order that was ever decided, by client id."""
        self.seq = 0
        self.sessions = self.opened_in_session = 0
        """How many sessions there were, and how many opening orders the newest has sent."""
        self._hash = b""
        self._execution = settings.engine.execution
        self._since: dict[Owner, int] = {}
        self._doubted: set[Owner] = set()
        """Pairs that are off their bound and had an order in doubt meanwhile."""
        self._waiting: set[Venue] = set()
        self._reconciled_ns = 0
        self._rest_ns = 0

    def go_on(self, path: Path) -> None:
        """Step over what has been added; what was walked already must still be there, byte for byte.

        Raises:
            PromiseBroken: a step comes out differently, or a pair was off its bound for too long.
        """
        with Journal.open_readonly(path) as journal:
            if self.seq:
                row = journal.row_ending_at(self.seq)
                require(row is not None and row.hash == self._hash, f"rows up to event {self.seq} are not as they were")
            for seq, event, step in journal.export(self.seq + 1):
                self._take(seq, event, step)
            self._hash = journal.head.hash

    def finish(self) -> None:
        """The last session must have lasted long enough to say that its pairs came to rest.

        Raises:
            PromiseBroken: it has not.
        """
        require(not self._rest_ns and not self._waiting, "the last session ended before its pairs had to be at rest")

    def _take(self, seq: int, event: AnyEvent, recorded: Step) -> None:
        if self._rest_ns and event.at_ns > self._rest_ns:
            self._check_at_rest()
            self._rest_ns = 0
        step = self.engine.step(event)
        require(encode_step(step) == encode_step(recorded), f"event {seq} is answered differently by a fresh engine")
        self.seq = seq
        for command in step.commands:
            if isinstance(command, SubmitOrder):
                self.intents[command.order.intent.order_id] = command.order.intent
                self.opened_in_session += not command.order.intent.reduces_owner
        if isinstance(event, SessionStarted):
            self.sessions, self.opened_in_session = self.sessions + 1, 0
            self._reconciled_ns = self._rest_ns = 0
            self._waiting = set(self.engine.state.venues)
        for note in step.notes:
            if note.name == "venue_reconciled" and self._waiting:
                self._waiting.discard(Venue(dict(note.keys)["venue"]))
                if not self._waiting:
                    self._reconciled_ns, self._rest_ns = event.at_ns, event.at_ns + WHOLE_AFTER_S * NS_PER_S
        if isinstance(event, Fill | ForcedFill) or self._since:
            self._time_imbalances(event.at_ns)

    def _check_at_rest(self) -> None:
        """Every pair is HEDGED or FLAT, but for what was decided after the reconciliation."""
        for pair in self.engine.state.pairs.values():
            parent = pair.parent
            begun_s = int(parent.parent_id.rpartition("-")[2]) if parent is not None else 0
            if begun_s * NS_PER_S < self._reconciled_ns:
                require(pair.state in (PairState.HEDGED, PairState.FLAT),
                        f"{WHOLE_AFTER_S} s after reconciliation not at rest: {msgspec.json.encode(pair).decode()}")

    def _time_imbalances(self, now_ns: int) -> None:
        """R9: off its bound for at most the hedging time and one trim; what went by while nobody ran counts."""
        state, execution = self.engine.state, self._execution
        self._doubted |= {state.orders[order_id].intent.owner for order_id in state.live_orders
                          if state.orders[order_id].state is OrderState.UNKNOWN}
        for name, pair in state.pairs.items():
            if abs(self._gap(pair)) <= self._bound(pair):
                self._since.pop(name, None)
                self._doubted.discard(name)
                continue
            seconds = (now_ns - self._since.setdefault(name, now_ns)) / NS_PER_S
            proof_s = execution.absence_after_s if name in self._doubted else 0.0
            require(seconds <= max(execution.unwind_after_s, proof_s) + TRIM_S,
                    f"{name} is off by {self._gap(pair)} since {seconds} s")

    def _gap(self, pair: Pair) -> Decimal:
        ledger = self.engine.ledger
        return ledger.quantity(pair.long_leg, pair.pair_id) + ledger.quantity(pair.short_leg, pair.pair_id)

    def _bound(self, pair: Pair) -> Decimal:
        """One joint step, or what a spot venue would not let us trade (its minimum notional at the bid, in lots)."""
        market, bound = self.engine.state.market, pair.step_base
        for leg in pair.legs:
            rules, entry = market.instruments[leg], market.quotes.get(leg)
            if not rules.is_perp and entry is not None:
                least = rules.notional_min_usd / rules.price(entry[1].bid_ticks)
                bound = max(bound, (least // rules.lot_size + 1) * rules.lot_size)
        return bound

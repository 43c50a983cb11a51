"""One event's turn: the state it may change, and what it has led to so far."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.commands import Alert, AnyCommand, ReadAccount, Transfer
from bot.domain.errors import Unavailable
from bot.domain.events import Fill, ForcedFill
from bot.domain.instrument import Instrument
from bot.domain.orders import Refusal
from bot.domain.values import HEDGE, InstrumentId, Nanos, Owner, Venue
from bot.engine.governor_memory import GovernorMemory
from bot.engine.params import EngineParams
from bot.engine.state import EngineState, VenueState
from bot.engine.step import DecisionRecord, Note
from bot.engine.view import AlertView
from bot.execution.order_states import Order
from bot.portfolio.ledger import Ledger
from bot.risk.modes import Reason

_CENT: Final = Decimal("0.01")


class Turn:
    """Collects the commands, refusals, notes and record of one step."""

    def __init__(self, state: EngineState, ledger: Ledger, params: EngineParams, now_ns: Nanos,
                 memory: GovernorMemory | None = None) -> None:
        """`memory`: the engine's cache; a turn without one computes what it needs."""
        self.state = state
        self.ledger = ledger
        self.params = params
        self.now_ns = now_ns
        self.memory = memory if memory is not None else GovernorMemory()
        self.commands: list[AnyCommand] = []
        self.refusals: list[Refusal] = []
        self.notes: list[Note] = []
        self.record: DecisionRecord | None = None
        self.looks: dict[Owner, None] = {}
        """Pairs to look at before the step ends, and the hedge."""
        self.rules_changed = False
        """Instruments are not what they were: which pairs could be held is found anew."""
        self.forecasts: dict[str, float] = {}
        """Expected funding over the horizon per unit of notional, by candidate key (one decision's)."""

    # ---------------------------------------------------------------------------------------------- outputs

    def note(self, name: str, **keys: object) -> None:
        """Something worth a log line."""
        self.notes.append(Note(name, tuple((key, str(value)) for key, value in keys.items())))

    def alert(self, name: str, text: str, *, page: bool = False) -> None:
        """Tell the operator; the same alert is not stacked while nobody has acknowledged it."""
        self.commands.append(Alert(name, text, page))
        alerts = self.state.alerts
        for index, held in enumerate(alerts):
            if held.name == name and held.text == text:
                alerts[index] = AlertView(at_ns=self.now_ns, name=name, text=text, page=page or held.page)
                return
        alerts.append(AlertView(at_ns=self.now_ns, name=name, text=text, page=page))
        del alerts[:-100]

    def look(self, owner: Owner) -> None:
        """Look at this pair, or at the hedge, before the step ends."""
        if owner == HEDGE or owner in self.state.pairs:
            self.looks[owner] = None

    def read_account(self, venue: VenueState) -> None:
        """Ask a venue for its whole truth about us, once it wants to be asked: an answer to an older read is none."""
        if venue.reads_from_ns > self.now_ns:
            venue.read_id, venue.next_read_ns = "", Nanos(venue.reads_from_ns)
            return
        venue.reads += 1
        venue.read_id = f"r{self.state.session.epoch}-{venue.reads}"
        venue.read_ns = self.now_ns
        venue.next_read_ns = None
        self.commands.append(ReadAccount(venue.venue, venue.read_id, venue.cursor))

    def transfer(self, command: Transfer, why: str) -> None:
        """Move cash between our wallets; it is in transit in the ledger from here.

        No two that are out from one wallet have one amount: if one of them is lost, its amount must tell which.
        """
        out = {each.amount_usd for each in self.ledger.state.transfers.values()
               if (each.venue_from, each.wallet_from) == (command.venue_from, command.wallet_from)}
        while command.amount_usd in out and command.amount_usd > _CENT:
            command = msgspec.structs.replace(command, amount_usd=command.amount_usd - _CENT)
        self.ledger.begin_transfer(command)
        self.state.venues[command.venue_from].moved_ns = self.now_ns
        self.state.transfers[command.transfer_id] = self.now_ns
        self.commands.append(command)
        self.note("transfer_sent", transfer_id=command.transfer_id, venue_from=command.venue_from,
                  wallet_from=command.wallet_from.value, venue_to=command.venue_to,
                  wallet_to=command.wallet_to.value, amount_usd=command.amount_usd, why=why)

    def new_transfer_id(self) -> str:
        """A name no transfer of ours ever had."""
        self.state.transfers_made += 1
        return f"t{self.state.session.epoch}-{self.state.transfers_made}"

    def reason(self, name: str, text: str, lifted_by: str) -> Reason:
        """A reason that holds from now."""
        return Reason(name, self.now_ns, text, lifted_by)

    # ------------------------------------------------------------------------------------------------ prices

    def instrument(self, instrument: InstrumentId) -> Instrument:
        """The instrument's rules now."""
        return self.state.market.instruments[instrument]

    def rules_then(self, event: Fill | ForcedFill) -> Instrument:
        """The rules in whose ticks and lots a trade counts, whenever it is told."""
        at_ns = event.at_ns if event.traded_ns is None else event.traded_ns
        return self.state.market.rules_at(event.instrument, at_ns)

    def rules_of(self, order: Order) -> Instrument:
        """The rules in whose ticks and lots an order counts."""
        return self.state.market.rules_at(order.intent.instrument, order.sent_ns)

    def lots_now(self, order: Order) -> int:
        """What may still fill of an order, in today's lots; rounded up, it is never less than it was."""
        lots = order.remaining_lots
        if not lots or order.intent.instrument not in self.state.market.former_rules:
            return lots
        base = self.rules_of(order).quantity(lots)
        return int((base / self.instrument(order.intent.instrument).lot_size).to_integral_value("ROUND_CEILING"))

    def revalue(self, instrument: InstrumentId) -> None:
        """Bring V of an instrument up to date in the ledger; without any value yet its first trade values it."""
        try:
            self.ledger.revalue(instrument, self.state.market.value(instrument))
        except Unavailable:
            return

    def revalue_owner(self, owner: Owner) -> None:
        """Bring V of everything an owner holds up to date."""
        for instrument, _ in self.ledger.legs(owner):
            self.revalue(instrument)

    def revalue_all(self) -> None:
        """Bring V of everything that is held up to date."""
        for book in self.ledger.state.books.values():
            if book.held:
                self.revalue(book.instrument)

    def equity_usd(self) -> Decimal:
        """Marked equity of the account now."""
        self.revalue_all()
        return self.ledger.equity_usd()

    def venue_of(self, instrument: InstrumentId) -> Venue:
        """The venue an instrument trades on."""
        return self.state.market.instruments[instrument].venue

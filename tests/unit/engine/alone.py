"""An engine cut off from its venue in the middle of a drive: what it is told from there is written by hand."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.commands import Alert
from bot.domain.events import AccountReport, AnyEvent, DeadlineReached, Fill, PositionRow
from bot.domain.values import NS_PER_S, InstrumentId, Nanos, OrderId, Side, Wallet
from bot.engine.engine import Engine
from bot.engine.step import Step
from tests.unit.engine.driving import ALPHA, PERP, T0, Drive


def names(step: Step) -> list[str]:
    return [command.name for command in step.commands if isinstance(command, Alert)]


class Alone:
    """An engine without a venue: its events are written by hand."""

    def __init__(self, drive: Drive) -> None:
        self.engine = Engine.restore(drive.params, drive.engine.snapshot())
        self.drive = drive
        self.now = drive.now

    def take(self, event: AnyEvent) -> Step:
        self.now = event.at_ns
        return self.engine.step(event)

    def after(self, seconds: float) -> Nanos:
        return Nanos(self.now + int(seconds * NS_PER_S))

    def read_id(self) -> str:
        """Let the next account read fall due."""
        for _ in range(100):
            venue = self.engine.state.venues[ALPHA]
            if venue.read_id:
                return venue.read_id
            assert self.engine.state.wake_ns is not None
            self.take(DeadlineReached(self.engine.state.wake_ns))
        raise AssertionError("no read fell due")

    def report(self, **changes: object) -> AccountReport:
        """What an honest venue would answer to the read that is out, with changes."""
        ledger, wallets = self.engine.ledger, self.engine.ledger.wallets(ALPHA)
        positions = tuple(PositionRow(net.instrument, net.quantity, net.cost_usd)
                          for net in ledger.venue_nets(ALPHA) if net.instrument == PERP.id)
        honest = AccountReport(
            self.after(1), ALPHA, self.read_id(), self.now, wallets.spot_usd, wallets.futures_usd, ledger.coins(ALPHA),
            positions, (), (), (), (), (), 1_000_000)
        return msgspec.structs.replace(honest, at_ns=self.after(1), taken_ns=self.after(0.5), **changes)

    def wake(self) -> Step:
        """The engine's own next deadline."""
        assert self.engine.state.wake_ns is not None
        return self.take(DeadlineReached(self.engine.state.wake_ns))


def fill(alone: Alone, order_id: str, *, lots: int = 10, trade: str = "x1", of: InstrumentId = PERP.id,
         side: Side = Side.BUY) -> Fill:
    return Fill(alone.after(1), ALPHA, of, trade, OrderId(order_id), side, lots, 10_000, Decimal(0), False, False)


def poor_spot() -> Drive:
    """Nearly all cash in the wrong wallet: the opening waits for a transfer."""
    drive = Drive(usd=100)
    drive.exchange.deposit(T0, ALPHA, Wallet.FUTURES, Decimal(20_000), "more")
    return drive.run_to_note("transfer_sent")

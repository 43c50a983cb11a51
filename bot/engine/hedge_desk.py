"""The hedge as an owner: it begins, resizes and closes its legs, and carries their orders through risk and ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bot.domain.commands import Transfer
from bot.domain.values import HEDGE, NS_PER_S, ZERO, InstrumentId, Nanos, Venue, Wallet
from bot.engine import dust_parking, orders_desk, owner_legs
from bot.engine.turn import Turn
from bot.execution.hedge_execution import advance_hedge, grows
from bot.execution.pair_moves import Permissions
from bot.execution.twap import plan_slices
from bot.portfolio.hedge_legs import HedgeLeg
from bot.portfolio.pairs import Parent, Slice

_CENT: Final = Decimal("0.01")


def begin(turn: Turn, instrument: InstrumentId, target_base: Decimal, reason: str, *, urgent: bool = False,
          waiting_transfer: str = "") -> None:
    """Give a leg a new parent execution towards a signed quantity; it becomes one if it was none."""
    leg = turn.state.hedge.legs.setdefault(instrument, HedgeLeg(instrument=instrument))
    seen = owner_legs.leg_situation(turn, HEDGE, instrument)
    held, params = seen.quantity, turn.params.execution
    parent_id = f"hedge/{instrument}-{turn.now_ns // NS_PER_S}"
    slices: tuple[Slice, ...] = (Slice(due_ns=turn.now_ns, cumulative_base=target_base),)
    if not urgent and target_base != held:
        slices = plan_slices(
            seed=turn.params.seed, parent_id=parent_id, start_base=held, target_base=target_base,
            step_base=seen.instrument.lot_size, clip_base=owner_legs.clip_base((seen,), params),
            min_base=owner_legs.min_base((seen,)), now_ns=turn.now_ns, params=params,
        )
    leg.parent = Parent(
        parent_id=parent_id, kind="open" if grows(held, target_base) else "close", start_base=held,
        target_base=target_base, slices=slices, next_slice=0, urgent=urgent, reason=reason,
        deadline_ns=Nanos(turn.now_ns + int(params.parent_deadline_s * NS_PER_S)),
    )
    leg.target_base, leg.waiting_transfer = target_base, waiting_transfer
    leg.tries, leg.fruitless, leg.next_try_ns = 0, 0, Nanos(0)
    turn.note("hedge_started", instrument=instrument, held_base=held, target_base=target_base, slices=len(slices),
              reason=reason, urgent=urgent)
    turn.look(HEDGE)


def collateral(turn: Turn, venue: Venue, missing_usd: float) -> str:
    """Bring what a hedge's collateral lacks over from the venue's own spot wallet; the transfer to wait for, if any."""
    have = turn.ledger.wallets(venue).spot_usd.quantize(_CENT, "ROUND_DOWN")
    amount = min(Decimal(repr(missing_usd)).quantize(_CENT, rounding="ROUND_UP"), have)
    if amount < 1:
        return ""
    transfer_id = turn.new_transfer_id()
    turn.transfer(Transfer(transfer_id, venue, Wallet.SPOT, venue, Wallet.FUTURES, amount), "collateral of the hedge")
    return transfer_id


def close(turn: Turn, reason: str, *, urgent: bool, instrument: InstrumentId | None = None) -> None:
    """Bring the hedge (of one instrument, or all of it) to nothing; a close that runs is only made urgent."""
    for leg in tuple(turn.state.hedge.legs.values()):
        if instrument not in (None, leg.instrument):
            continue
        parent = leg.parent
        if parent is None or parent.target_base != 0:
            begin(turn, leg.instrument, ZERO, reason, urgent=urgent)
        elif urgent and not parent.urgent:
            parent.urgent, leg.next_try_ns = True, Nanos(0)
    turn.look(HEDGE)


def hold(turn: Turn) -> None:
    """What is held stays as it is, whatever was under way."""
    for leg in turn.state.hedge.legs.values():
        leg.parent, leg.waiting_transfer = None, ""
        leg.target_base = turn.ledger.quantity(leg.instrument, HEDGE)
    turn.look(HEDGE)


def shrink(turn: Turn, venue: Venue, share: float, reason: str) -> bool:
    """Margin: the legs at a venue come down to a share of what they hold, at once. True if any does."""
    begun = False
    for leg in tuple(turn.state.hedge.legs.values()):
        held = turn.ledger.quantity(leg.instrument, HEDGE)
        if turn.venue_of(leg.instrument) != venue or not held:
            continue
        lot = turn.instrument(leg.instrument).lot_size
        left = (abs(held) * Decimal(repr(share)) // lot * lot).copy_sign(held)
        if abs(left) < abs(held):
            begin(turn, leg.instrument, left, reason, urgent=True)
            begun = True
    return begun


def forget_over(turn: Turn) -> None:
    """A leg of which nothing is held, wanted or out is none, whatever ended it."""
    for leg in tuple(turn.state.hedge.legs.values()):
        if _is_over(turn, leg):
            del turn.state.hedge.legs[leg.instrument]
            turn.state.hedge.wakes.pop(leg.instrument, None)


def live(turn: Turn) -> bool:
    """Whether the hedge holds or trades anything."""
    return bool(turn.state.hedge.legs)


def moving(turn: Turn, venue: Venue | None = None) -> bool:
    """Whether a leg (at that venue) is being traded."""
    return any(leg.parent is not None for leg in turn.state.hedge.legs.values()
               if venue in (None, turn.venue_of(leg.instrument)))


def on_session(turn: Turn) -> None:
    """A process took over: what was growing rests at what it has, what was closing is finished at once."""
    for leg in turn.state.hedge.legs.values():
        if leg.parent is None:
            continue
        if grows(turn.ledger.quantity(leg.instrument, HEDGE), leg.parent.target_base):
            leg.parent.deadline_ns = min(leg.parent.deadline_ns, turn.now_ns)
        else:
            leg.parent.urgent = True


def on_transfer(turn: Turn, transfer_id: str) -> None:
    """Collateral arrived, or came back: what waited for it goes on, as far as risk lets it."""
    for leg in turn.state.hedge.legs.values():
        if leg.waiting_transfer == transfer_id:
            leg.waiting_transfer = ""
            turn.look(HEDGE)


def on_forced(turn: Turn, instrument: InstrumentId) -> None:
    """The venue closed part of it: it rests at what is left until the next decision."""
    leg = turn.state.hedge.legs.get(instrument)
    if leg is None:
        return
    held = turn.ledger.quantity(instrument, HEDGE)
    if leg.parent is None or grows(held, leg.parent.target_base):
        leg.parent, leg.target_base = None, held
    turn.look(HEDGE)


def park(turn: Turn, instrument: InstrumentId) -> None:
    """What it holds of an instrument is dust from now on: nothing can be done about it there."""
    held = turn.ledger.quantity(instrument, HEDGE)
    if not held:
        return
    dust_parking.park(turn, HEDGE, instrument, held)
    leg = turn.state.hedge.legs.get(instrument)
    if leg is not None:
        leg.parent, leg.target_base = None, ZERO
    turn.look(HEDGE)


def on_grid(turn: Turn, instrument: InstrumentId) -> None:
    """Another lot size: slices of the old grid end; what is held is closed or kept in the new one."""
    leg = turn.state.hedge.legs.get(instrument)
    if leg is None or leg.parent is None:
        return
    if grows(turn.ledger.quantity(instrument, HEDGE), leg.parent.target_base):
        leg.parent.deadline_ns = min(leg.parent.deadline_ns, turn.now_ns)
    else:
        leg.parent.urgent = True
    leg.next_try_ns = Nanos(0)
    turn.look(HEDGE)


# ----------------------------------------------------------------------------------------------------- looking


def look(turn: Turn) -> None:
    """Run every leg's machine once."""
    for leg in tuple(turn.state.hedge.legs.values()):
        _look(turn, leg)


def run_due(turn: Turn) -> None:
    """Look if the time of a leg has come."""
    if any(at_ns <= turn.now_ns for at_ns in turn.state.hedge.wakes.values()):
        turn.look(HEDGE)


def next_ns(turn: Turn) -> Nanos | None:
    """When the next leg wants to be looked at."""
    return min(turn.state.hedge.wakes.values(), default=None)


def _look(turn: Turn, leg: HedgeLeg) -> None:
    hedge = turn.state.hedge
    hedge.wakes.pop(leg.instrument, None)
    parent = leg.parent
    if leg.waiting_transfer and parent is not None and turn.now_ns < parent.deadline_ns:
        hedge.wakes[leg.instrument] = parent.deadline_ns
        return
    seen = owner_legs.leg_situation(turn, HEDGE, leg.instrument)
    moves = advance_hedge(leg, seen, turn.now_ns, _permissions(turn, leg), turn.params.execution)
    for name, keys in moves.notes:
        turn.note(name, **dict(keys))
    wake_ns = moves.wake_ns
    for wanted in moves.orders:
        parent_id = leg.parent.parent_id if leg.parent is not None else f"hedge/{leg.instrument}-rest"
        if orders_desk.place(turn, HEDGE, wanted, parent_id):
            owner_legs.show_ticks(turn)
        elif leg.parent is not None:  # a limit said no: it stays as large as it is, the next decision asks anew
            leg.parent.deadline_ns = min(leg.parent.deadline_ns, turn.now_ns)
            wake_ns = Nanos(turn.now_ns + 1)
    for instrument, quantity in moves.dust:
        dust_parking.park(turn, HEDGE, instrument, quantity)
    if _is_over(turn, leg):
        del hedge.legs[leg.instrument]
        turn.state.venues[turn.venue_of(leg.instrument)].reference_stale = True
    elif wake_ns is not None:
        hedge.wakes[leg.instrument] = Nanos(max(wake_ns, turn.now_ns + 1))
    if any(name == "hedge_done" for name, _ in moves.notes):
        turn.state.venues[turn.venue_of(leg.instrument)].reference_stale = True


def _is_over(turn: Turn, leg: HedgeLeg) -> bool:
    """Nothing is held, wanted or out."""
    if leg.parent is not None or turn.ledger.quantity(leg.instrument, HEDGE):
        return False
    return owner_legs.leg_situation(turn, HEDGE, leg.instrument).quiet


def _permissions(turn: Turn, leg: HedgeLeg) -> Permissions:
    """As a pair's; while another leg is being closed a new one waits: both at once would be twice the hedge."""
    allowed = owner_legs.permissions_of(turn, (leg.instrument,))
    if any(_leaves(turn, other) for other in turn.state.hedge.legs.values() if other is not leg):
        return Permissions(opens=False, opens_after_reconciliation=allowed.opens or allowed.opens_after_reconciliation,
                           settlement_quiet_until_ns=allowed.settlement_quiet_until_ns, exits=allowed.exits)
    return allowed


def _leaves(turn: Turn, leg: HedgeLeg) -> bool:
    held = turn.ledger.quantity(leg.instrument, HEDGE)
    target = leg.parent.target_base if leg.parent is not None else leg.target_base
    return bool(held) and not grows(held, target) and held != target


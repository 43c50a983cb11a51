"""Instruments that change or end under a position: new grids, another identity, delisting (F45-F47).

A change is folded with its event and acted upon once the instant is complete. One instrument never stalls the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bot.domain.errors import ConfigRefused
from bot.domain.events import InstrumentsChanged
from bot.domain.instrument import Instrument
from bot.domain.values import DUST, HEDGE, NS_PER_MINUTE, NS_PER_S, InstrumentId, Nanos
from bot.engine import hedge_desk, orders_desk, pairs_desk
from bot.engine.state import VenueState
from bot.engine.turn import Turn
from bot.execution.rounding import joint_step
from bot.market.rules import RuleChange
from bot.portfolio.pairs import Pair

AGAIN_NS: Final = NS_PER_MINUTE
"""What should have been settled at the end of its trading is looked for this often."""
OVERDUE_NS: Final = 15 * NS_PER_MINUTE
"""A settlement that has not come by then is alerted."""


def on_instruments(turn: Turn, event: InstrumentsChanged) -> bool:
    """Fold the new rules; True: something must be done about them at the end of this instant."""
    turn.state.rule_changes += turn.state.market.fold_instruments(event)
    for rules in event.instruments:
        turn.state.venues.setdefault(rules.venue, VenueState(venue=rules.venue))
    return bool(turn.state.rule_changes)


def take_rules(turn: Turn, instruments: Iterable[Instrument]) -> None:
    """The rules a session begins with: what changed while nobody ran is acted upon like any change."""
    for rules in instruments:
        changes = turn.state.market.take_rules(rules, turn.now_ns)
        turn.state.rule_changes += [(rules.id, change) for change in changes]
        if rules.delist_ns is not None and rules.id not in turn.state.delistings and not changes:
            turn.state.rule_changes.append((rules.id, RuleChange.DELISTING))
        turn.state.venues.setdefault(rules.venue, VenueState(venue=rules.venue))


def run_due(turn: Turn) -> None:
    """Act on what has changed, and on what ends now."""
    while turn.state.rule_changes:
        instrument, change = turn.state.rule_changes.pop(0)
        rules = turn.instrument(instrument)
        turn.note("rules_changed", instrument=instrument, change=change.value, tick=rules.tick_size,
                  lot=rules.lot_size, interval_h=rules.funding.interval_h if rules.funding is not None else "",
                  delist_ns=rules.delist_ns or "")
        match change:
            case RuleChange.IDENTITY:
                _other_identity(turn, instrument)
            case RuleChange.GRID:
                _other_grid(turn, instrument)
            case RuleChange.DELISTING:
                _delisting(turn, rules)
            case RuleChange.INTERVAL:
                pass  # folded: the next settlement, and with it the quiet minute, is expected on the new grid
    for instrument, at_ns in tuple(turn.state.delistings.items()):
        if at_ns <= turn.now_ns:
            _ended(turn, turn.instrument(instrument))


def next_ns(turn: Turn) -> Nanos | None:
    """When the next announced end is to be looked at."""
    return min(turn.state.delistings.values(), default=None)


def confirm(turn: Turn, instrument: InstrumentId) -> bool:
    """An operator resumed: what the instrument has become is taken for what it is."""
    if not turn.state.modes.unblock_instrument(instrument, "identity_changed"):
        return False
    turn.state.market.confirm(instrument)
    turn.rules_changed = True
    return True


def _pairs_on(turn: Turn, instrument: InstrumentId) -> list[Pair]:
    return [pair for pair in turn.state.pairs.values() if pair.live and instrument in pair.legs]


def _cancel_orders(turn: Turn, instrument: InstrumentId) -> None:
    for order_id in turn.state.live_orders:
        order = turn.state.orders[order_id]
        if order.intent.instrument == instrument and order.cancel_sent_ns is None:
            orders_desk.cancel(turn, order)


def _other_identity(turn: Turn, instrument: InstrumentId) -> None:
    """Nothing is sent on a thing that is not what we think; quantities in the books may count other units."""
    new = turn.state.market.unconfirmed.get(instrument)
    if new is None:
        return  # it came back before we could look
    old = turn.instrument(instrument)
    text = f"{instrument} is another thing now: was {_named(old)}, is {_named(new)}"
    if turn.state.modes.block_instrument(instrument, turn.reason("identity_changed", text, "operator: resume")):
        turn.alert("identity_changed", f"{text}; check what is held, then resume", page=True)
    _cancel_orders(turn, instrument)
    for pair in _pairs_on(turn, instrument):
        turn.look(pair.pair_id)


def _named(rules: Instrument) -> str:
    return f"{rules.symbol} ({rules.coin}/{rules.quote} {rules.kind.value} x {rules.multiplier:f})"


def _other_grid(turn: Turn, instrument: InstrumentId) -> None:
    """Open orders are off the new grid; pairs go on in its steps, and a growing one rests at what it has."""
    _cancel_orders(turn, instrument)
    hedge_desk.on_grid(turn, instrument)
    for pair in _pairs_on(turn, instrument):
        try:
            pair.step_base = joint_step(turn.instrument(pair.long_leg), turn.instrument(pair.short_leg))
        except ConfigRefused as error:
            turn.alert("no_joint_step", f"{pair.pair_id}: {error}; closing it", page=True)
            pairs_desk.close(turn, pair.pair_id, "no_joint_step")
            continue
        if pair.parent is not None and pair.parent.opening:
            pair.parent.deadline_ns = min(pair.parent.deadline_ns, turn.now_ns)
        pair.next_try_ns = Nanos(0)
        turn.look(pair.pair_id)


def _delisting(turn: Turn, rules: Instrument) -> None:
    """An end was announced: nothing opens any more and its pairs leave, both legs. Withdrawn: trade on."""
    if rules.delist_ns is None:
        turn.state.delistings.pop(rules.id, None)
        turn.state.modes.unblock_instrument(rules.id, "delisting")
        return
    turn.state.delistings[rules.id] = rules.delist_ns
    left_s = max(rules.delist_ns - turn.now_ns, 0) / NS_PER_S
    text = f"{rules.id} ends in {left_s / 3600:.1f} h"
    if turn.state.modes.block_instrument(rules.id, turn.reason("delisting", text, "the venue, if it lists it again")):
        turn.alert("delisting", f"{text}: its pairs are being closed", page=bool(_pairs_on(turn, rules.id)))
    hedge_desk.close(turn, "delisting", urgent=left_s < turn.params.risk.delist_urgent_s, instrument=rules.id)
    for pair in _pairs_on(turn, rules.id):
        pairs_desk.close(turn, pair.pair_id, "delisting", urgent=left_s < turn.params.risk.delist_urgent_s)


def _ended(turn: Turn, rules: Instrument) -> None:
    """Its trading is over: coins left there are parked and said so, a perpetual's settlement is looked for."""
    market, instrument = turn.state.market, rules.id
    market.quotes.pop(instrument, None)
    market.halted[instrument] = "delisted"
    pairs = [pair for pair in _pairs_on(turn, instrument) if turn.ledger.quantity(instrument, pair.pair_id)]
    if abs(turn.ledger.net(instrument)) < rules.lot_size:  # of less than a lot no venue settles anything
        hedge_desk.park(turn, instrument)
        for pair in pairs if rules.is_perp else ():  # what owners hold against each other ends among themselves
            turn.revalue_owner(pair.pair_id)
            held = turn.ledger.quantity(instrument, pair.pair_id)
            turn.ledger.move_owner(instrument, pair.pair_id, DUST, held)
            pairs_desk.close(turn, pair.pair_id, "delisting", urgent=True)
        pairs = [] if rules.is_perp else pairs
    hedged = turn.ledger.quantity(instrument, HEDGE)
    if not pairs and not hedged:
        del turn.state.delistings[instrument]
        return
    turn.state.delistings[instrument] = Nanos(turn.now_ns + AGAIN_NS)
    if hedged and turn.now_ns - (rules.delist_ns or turn.now_ns) >= OVERDUE_NS:
        turn.alert("settlement_missing", f"{instrument}: {hedged:f} of the hedge held after its end and not settled "
                                         "yet", page=True)
    for pair in pairs:
        held = turn.ledger.quantity(instrument, pair.pair_id)
        if not rules.is_perp:
            turn.revalue_owner(pair.pair_id)
            turn.ledger.move_owner(instrument, pair.pair_id, DUST, held)
            turn.alert("unsellable", f"{instrument}: {held:f} {rules.coin} are left after the end of its trading; "
                                     "they are parked as dust", page=True)
        elif turn.now_ns - (rules.delist_ns or turn.now_ns) >= OVERDUE_NS:
            text = f"{instrument}: {held:f} held after its end and not settled yet"
            turn.alert("settlement_missing", text, page=True)
        pairs_desk.close(turn, pair.pair_id, "delisting", urgent=True)
    venue = turn.state.venues[rules.venue]
    if rules.is_perp and not venue.read_id:
        turn.read_account(venue)

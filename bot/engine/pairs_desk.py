"""Pairs: open, resize and close them through the pair machine; the ledger says what they hold."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from bot.domain.orders import TimeInForce
from bot.domain.values import NS_PER_DAY, NS_PER_S, ZERO, InstrumentId, Nanos, Owner
from bot.engine import orders_desk
from bot.engine.dust_parking import park
from bot.engine.owner_legs import clip_base, leg_situation, min_base, permissions_of, show_ticks, venue_reachable
from bot.engine.turn import Turn
from bot.execution.pair_execution import advance, hedged_base, is_whole
from bot.execution.pair_moves import LegSituation, Moves, Permissions, WantedOrder
from bot.execution.pair_orders import limit_ticks, opening_lots, opening_side, tradable
from bot.execution.twap import plan_slices
from bot.portfolio.pairs import Pair, PairState, Parent, Slice
from bot.risk import throttle


def begin(turn: Turn, pair: Pair, target_base: Decimal, kind: str, reason: str, *, urgent: bool = False) -> None:
    """Give a pair a new parent execution towards `target_base` of each leg."""
    long, short = situation(turn, pair, pair.long_leg), situation(turn, pair, pair.short_leg)
    held = hedged_base(long, short)
    parent_id = f"{pair.pair_id}/{kind}-{turn.now_ns // NS_PER_S}"
    params = turn.params.execution
    slices: tuple[Slice, ...]
    if urgent or (target_base == 0 and held == 0):
        slices = (Slice(due_ns=turn.now_ns, cumulative_base=target_base),)
    else:
        slices = plan_slices(
            seed=turn.params.seed, parent_id=parent_id, start_base=held, target_base=target_base,
            step_base=pair.step_base, clip_base=clip_base((long, short), params),
            min_base=min_base((long, short)), now_ns=turn.now_ns, params=params,
        )
    pair.parent = Parent(
        parent_id=parent_id, kind=kind, start_base=held, target_base=target_base, slices=slices, next_slice=0,
        deadline_ns=Nanos(turn.now_ns + int(params.parent_deadline_s * NS_PER_S)), urgent=urgent, reason=reason,
    )
    if target_base < held:
        pair.cut_ns = turn.now_ns
    elif pair.cut_ns is not None and held > 0:  # grown again after it had been cut: two rules may be at odds (F43)
        pair.cut_ns = None
        throttle.note_trip(turn.state.throttle, turn.now_ns, f"{pair.long_leg}|{pair.short_leg}")
    pair.target_base = target_base
    pair.next_try_ns = Nanos(0)
    if target_base == 0:
        pair.state = PairState.CLOSING
    elif held == 0:
        pair.state = PairState.OPENING
    else:
        pair.state = PairState.REBALANCING
    turn.note("parent_started", pair_id=pair.pair_id, candidate=f"{pair.long_leg}|{pair.short_leg}", kind=kind,
              held_base=held, target_base=target_base, slices=len(slices), reason=reason, urgent=urgent)
    turn.look(pair.pair_id)


def close(turn: Turn, pair_id: Owner, reason: str, *, urgent: bool = False) -> None:
    """Close a pair; an exit that runs already is only made urgent."""
    pair = turn.state.pairs[pair_id]
    if pair.state is PairState.FLAT:
        turn.look(pair_id)
        return
    pair.exit_reason = pair.exit_reason or reason
    pair.waiting_transfers = ()
    if pair.parent is not None and not pair.parent.opening and pair.parent.target_base == 0:
        if urgent and not pair.parent.urgent:
            pair.parent.urgent = True
            pair.next_try_ns = Nanos(0)
        turn.look(pair_id)
        return
    begin(turn, pair, ZERO, "close", reason, urgent=urgent)


def look(turn: Turn, pair: Pair) -> None:
    """Run the machine once and carry out its moves through risk, ledger and notes."""
    turn.state.pair_wakes.pop(pair.pair_id, None)
    long, short = situation(turn, pair, pair.long_leg), situation(turn, pair, pair.short_leg)
    if pair.waiting_transfers and pair.parent is not None and pair.parent.opening:
        if turn.now_ns < pair.parent.deadline_ns and is_whole(pair, long, short):
            turn.state.pair_wakes[pair.pair_id] = pair.parent.deadline_ns
            return
        pair.waiting_transfers = ()  # too late, or a late fill has broken it: R9's clock waits for no money
    state_before = pair.state
    moves = advance(pair, long, short, turn.now_ns, permissions(turn, pair), turn.params.execution)
    _carry_out(turn, pair, moves, long, short)
    if pair.state is not state_before:
        _note_state(turn, pair, state_before, long, short)


def _carry_out(turn: Turn, pair: Pair, moves: Moves, long: LegSituation, short: LegSituation) -> None:
    for name, keys in moves.notes:
        turn.note(name, **_with_share(turn, pair, name, dict(keys)))
    if moves.page:
        turn.alert("one_legged", moves.page, page=True)
    for _, order_id in moves.cancels:
        order = turn.state.orders[order_id]
        if order.cancel_sent_ns is None:
            orders_desk.cancel(turn, order)
    wake_ns = moves.wake_ns
    for wanted in moves.orders:
        parent_id = pair.parent.parent_id if pair.parent is not None else f"{pair.pair_id}/trim"
        opens = wanted.purpose == "open"
        fitted = _with_hedge(turn, pair, wanted, long, short) if opens else wanted
        step = max(int(pair.step_base / turn.instrument(wanted.instrument).lot_size), 1) if opens else 1
        if fitted is not None and orders_desk.place(turn, pair.pair_id, fitted, parent_id, step):
            show_ticks(turn)
        elif wake_ns is None or wake_ns <= turn.now_ns:
            wake_ns = Nanos(turn.now_ns + NS_PER_S)
    if _hurries(pair) and any(_unquoted(turn, leg) for leg in (long, short)):
        show_ticks(turn)  # what has to leave waits for a quote no longer than the feed takes
        soon_ns = Nanos(turn.now_ns + NS_PER_S)
        wake_ns = soon_ns if wake_ns is None else min(wake_ns, soon_ns)
    for instrument, quantity in moves.dust:
        park(turn, pair.pair_id, instrument, quantity)
    if wake_ns is not None and pair.state is not PairState.FLAT:
        turn.state.pair_wakes[pair.pair_id] = Nanos(max(wake_ns, turn.now_ns + 1))


def _with_hedge(turn: Turn, pair: Pair, wanted: WantedOrder, long: LegSituation, short: LegSituation
                ) -> WantedOrder | None:
    """An opening leg leaves only at a size whose hedge would be let through after it (F31); None: not at all."""
    first, other = (long, short) if wanted.instrument == long.instrument.id else (short, long)
    if other.quote is None:
        return None
    side = opening_side(pair, other)
    lots = opening_lots(other.instrument, side, first.instrument.quantity(wanted.lots))
    ticks = limit_ticks(other, side, turn.params.execution.hedge_collar_bps)
    hedge = msgspec.structs.replace(wanted, instrument=other.instrument.id, side=side, lots=lots, limit_ticks=ticks,
                                    time_in_force=TimeInForce.IOC, purpose="hedge")
    allowed = orders_desk.hedge_lots(turn, pair.pair_id, wanted, hedge) if lots > 0 else lots
    if allowed == lots:
        return wanted
    # one step stays free: what earlier slices left over is hedged with this one
    base = (other.instrument.quantity(allowed) // pair.step_base - 1) * pair.step_base
    smaller = opening_lots(first.instrument, wanted.side, base)
    matched = opening_lots(other.instrument, side, base)
    if not (tradable(first.instrument, smaller, wanted.limit_ticks) and tradable(other.instrument, matched, ticks)):
        turn.refusals[-1] = msgspec.structs.replace(turn.refusals[-1], shrunk_to_lots=0)  # of no use to the pair
        return None
    return msgspec.structs.replace(wanted, lots=smaller)


def _with_share(turn: Turn, pair: Pair, name: str, keys: dict[str, str]) -> dict[str, str]:
    """The note of an imbalance that ended carries its largest size as a share of equity."""
    if name == "unhedged":
        equity = turn.equity_usd()
        share = 100 * pair.unhedged_peak_usd / equity if equity > 0 else ZERO
        keys["notional_pct"] = f"{share:.6f}"
        pair.unhedged_peak_usd = ZERO
    return keys


def _hurries(pair: Pair) -> bool:
    return pair.state is PairState.UNWINDING or (pair.parent is not None and pair.parent.urgent)


def _unquoted(turn: Turn, leg: LegSituation) -> bool:
    """A market that trades, and of which there is no quote yet: its rules have just changed."""
    return leg.quote is None and leg.instrument.id not in turn.state.market.halted


def _note_state(turn: Turn, pair: Pair, before: PairState, long: LegSituation, short: LegSituation) -> None:
    if pair.state is PairState.HEDGED:
        _on_hedged(turn, pair, long, short)
    elif pair.state is PairState.FLAT:
        _on_flat(turn, pair)
    else:
        turn.note("pair_state", pair_id=pair.pair_id, coin=pair.coin, before=before.value, now=pair.state.value)


def _on_hedged(turn: Turn, pair: Pair, long: LegSituation, short: LegSituation) -> None:
    held = hedged_base(long, short)
    name = "pair_hedged"
    if pair.opened_ns is None:
        pair.opened_ns = turn.now_ns
        name = "pair_opened"
    turn.note(name, pair_id=pair.pair_id, coin=pair.coin, long_leg=pair.long_leg, short_leg=pair.short_leg,
              held_base=held, notional_usd=_usd(turn, pair, held), forecast_usd=f"{pair.forecast_usd:.4f}")
    set_references(turn, pair)


def set_references(turn: Turn, pair: Pair) -> None:
    """The distance to liquidation of the pools a pair stands in, when it was built: the margin keeper's measure."""
    for leg in pair.legs:
        venue = turn.state.venues[turn.venue_of(leg)]
        venue.reference_stale = True


def _on_flat(turn: Turn, pair: Pair) -> None:
    pair.closed_ns = turn.now_ns
    turn.state.pair_wakes.pop(pair.pair_id, None)
    if pair.opened_ns is None and pair.peak_base == 0:
        turn.note("pair_abandoned", pair_id=pair.pair_id, coin=pair.coin, reason=pair.exit_reason or "not_filled")
        return
    turn.state.left_ns[f"{pair.long_leg}|{pair.short_leg}"] = turn.now_ns
    if not pair.reported:
        throttle.note_trip(turn.state.throttle, turn.now_ns, f"{pair.long_leg}|{pair.short_leg}")
        turn.state.pairs_closed += 1
        pair.reported = True
    parts = turn.ledger.attribution(pair.pair_id)
    turn.note(
        "pair_closed", pair_id=pair.pair_id, coin=pair.coin, long_leg=pair.long_leg, short_leg=pair.short_leg,
        notional_usd=f"{pair.notional_usd:f}", open_ns=pair.opened_ns or pair.created_ns, close_ns=turn.now_ns,
        funding_usd=f"{parts.funding:f}", forecast_usd=f"{pair.forecast_usd:.4f}", fees_usd=f"{parts.fees:f}",
        net_usd=f"{parts.total:f}", exit_reason=pair.exit_reason or "reduced",
    )


def _usd(turn: Turn, pair: Pair, base: Decimal) -> str:
    mid = turn.state.market.mid(pair.long_leg)
    return f"{base * mid:.2f}" if mid is not None else ""


# ------------------------------------------------------------------------------------------------- situations


def situation(turn: Turn, pair: Pair, leg: InstrumentId) -> LegSituation:
    """One leg of a pair as the machine sees it."""
    return leg_situation(turn, pair.pair_id, leg)


def permissions(turn: Turn, pair: Pair) -> Permissions:
    """What modes, reconciliation and settlement clocks allow this pair."""
    return permissions_of(turn, pair.legs)


def reachable(turn: Turn, pair: Pair) -> bool:
    """Whether both legs' venues can be reached and take our key."""
    return all(venue_reachable(turn, leg) for leg in pair.legs)


def waits(turn: Turn, pair: Pair) -> bool:
    """Whether a whole pair's patient exit waits for a venue that cannot be reached."""
    parent = pair.parent
    return (parent is not None and not parent.opening and not parent.urgent and pair.unhedged_since_ns is None
            and not reachable(turn, pair))


def run_due(turn: Turn) -> None:
    """Look at every pair whose time has come."""
    for owner, at_ns in tuple(turn.state.pair_wakes.items()):
        if at_ns <= turn.now_ns:
            turn.look(owner)


def forget_flat(turn: Turn) -> None:
    """Flat pairs are kept for some days, so that a late fill finds its owner."""
    kept = turn.params.execution.orders_kept_days * NS_PER_DAY
    for owner in [o for o, p in turn.state.pairs.items()
                  if p.state is PairState.FLAT and p.closed_ns is not None and turn.now_ns - p.closed_ns > kept]:
        del turn.state.pairs[owner]

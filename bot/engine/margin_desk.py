"""Margin and stops: watch every pool on marks, move collateral early, shrink both legs before it is too late."""

from __future__ import annotations

import math
from decimal import Decimal

from bot.domain.commands import Transfer
from bot.domain.values import HEDGE, NS_PER_S, ZERO, Nanos, Venue, Wallet
from bot.engine import caps_desk, hedge_desk, pairs_desk
from bot.engine.equity_sample import equity_sample
from bot.engine.exposure import futures_equity_usd
from bot.engine.state import VenueState
from bot.engine.turn import Turn
from bot.execution.pair_execution import hedged_base
from bot.portfolio.pairs import Pair, PairState
from bot.quant.barrier import tail_multiplier
from bot.risk import stops
from bot.risk.leverage import equity_needed_usd
from bot.risk.margin_keeper import KeeperVerdict, Pool, Source, TopUp, keep, share_of

BETWEEN_VENUES_FEE_USD = 1.0
_CENT = Decimal("0.01")


def pool_of(turn: Turn, venue: Venue) -> Pool:
    """One venue's futures wallet at the newest marks; NaN where a mark is missing."""
    notional = maintenance = 0.0
    nets, marks = turn.ledger.venue_nets(venue), turn.state.market.marks
    for net in nets:
        instrument = turn.instrument(net.instrument)
        if not instrument.is_perp:
            continue
        mark = marks.get(net.instrument)
        if mark is None:
            return Pool(venue=venue, equity_usd=float("nan"), notional_usd=float("nan"), maintenance_usd=float("nan"))
        size = abs(net.quantity) * mark.mark
        notional += float(size)
        maintenance += float(instrument.maintenance_margin_usd(size))
    equity = futures_equity_usd(turn, venue, nets)
    return Pool(venue=venue, equity_usd=equity, notional_usd=notional, maintenance_usd=maintenance)


def due(turn: Turn, venue_name: Venue) -> bool:
    """A venue's marks moved: whether its pool and the stops should be looked at, once the instant is complete.

    A look between two events of one instant would value one leg at the new price and the other at the old.
    """
    venue = turn.state.venues.get(venue_name)
    if venue is None or turn.now_ns < venue.next_margin_ns or not turn.state.session.trading:
        return False
    if not any(turn.instrument(net.instrument).is_perp for net in turn.ledger.venue_nets(venue_name)):
        venue.reference_distance = None
        return False
    venue.margin_due = True
    return True


def run_due(turn: Turn) -> None:
    """Look at the pools whose marks have moved, and at the stops."""
    waiting = [venue for venue in turn.state.venues.values() if venue.margin_due]
    if not waiting:
        return
    check_stops(turn)
    for venue in waiting:
        venue.margin_due = False
        venue.next_margin_ns = Nanos(turn.now_ns + int(turn.params.risk.margin_check_s * NS_PER_S) - NS_PER_S // 2)
        check_pool(turn, venue)


def check_pool(turn: Turn, venue: VenueState) -> None:
    """Judge one pool and act."""
    if not turn.params.governor.enabled:
        return
    pool = pool_of(turn, venue.venue)
    distance = pool.distance
    if distance is not None and (venue.reference_distance is None or venue.reference_stale) and (
        not _moving(turn, venue.venue)
    ):
        venue.reference_distance = distance
        venue.reference_stale = False
    reference = reference_of(turn, venue, pool)
    share = share_of(pool, reference)
    if share is None or share >= turn.params.risk.margin_top_up_share:
        return  # far enough: where money could come from need not be looked up
    verdict = keep(pool, reference, _sources(turn, venue.venue), turn.params.risk,
                   in_flight_usd=_in_flight_usd(turn, venue.venue))
    if verdict.share is None or verdict.share >= turn.params.risk.margin_top_up_share:
        return
    for top_up in verdict.top_ups:
        _top_up(turn, venue.venue, top_up, verdict.share)
    if verdict.shrink_to < 1.0 and not _moving(turn, venue.venue):
        _shrink(turn, venue.venue, verdict)


def reference_of(turn: Turn, venue: VenueState, pool: Pool) -> float | None:
    """The distance a pool is steered to: the one at entry, or what its caps ask for now; None before there is one."""
    reference = venue.reference_distance
    if reference is None or not turn.params.governor.enabled:
        return reference
    needed = equity_needed_usd(caps_desk.pool_legs(turn, venue.venue))
    if not math.isfinite(needed) or not pool.notional_usd > 0:
        return reference
    return max(reference, (needed - pool.maintenance_usd) / (pool.notional_usd + pool.maintenance_usd))


def _outlast(turn: Turn, venue: Venue, latency_h: float) -> float:
    """The adverse move that a venue's perps may make within a transfer's worst time, at the accepted probability."""
    rules = turn.params.governor.caps
    sigmas = [caps.sigma_hour for net in turn.ledger.venue_nets(venue)
              if (caps := turn.state.caps.get(turn.instrument(net.instrument).coin)) is not None]
    known = [sigma for sigma in sigmas if sigma is not None]
    if not known:
        return 0.0
    reach = tail_multiplier(rules.reaction_probability, rules.nu) * max(known) * math.sqrt(latency_h)
    return math.expm1(min(reach, 5.0))


def _moving(turn: Turn, venue: Venue) -> bool:
    """Whether a pair with a perpetual at this venue is being traded or made whole; one that only waits is not."""
    return any((p.parent is not None or p.unhedged_since_ns is not None) and venue in _venues(turn, p)
               and not pairs_desk.waits(turn, p)
               for p in turn.state.pairs.values() if p.live) or hedge_desk.moving(turn, venue)


def _venues(turn: Turn, pair: Pair) -> tuple[Venue, ...]:
    return tuple(turn.venue_of(leg) for leg in pair.legs if turn.instrument(leg).is_perp)


def _sources(turn: Turn, venue: Venue) -> tuple[Source, ...]:
    """Free cash: the venue's own spot wallet first, then other venues' spot wallets, then their excess collateral."""
    params = turn.params.governor
    near, far = (_outlast(turn, venue, hours) for hours in (params.transfer_own_h, params.transfer_venues_h))
    found = [Source(venue=venue, spot=True, free_usd=float(turn.ledger.wallets(venue).spot_usd), fee_usd=0.0,
                    outlast=near)]
    others = [other for name, other in turn.state.venues.items()
              if name != venue and other.connected and not turn.state.modes.venues_halted.get(name)]
    for other in others:
        free = float(turn.ledger.wallets(other.venue).spot_usd)
        found.append(Source(venue=other.venue, spot=True, free_usd=free, fee_usd=BETWEEN_VENUES_FEE_USD,
                            outlast=far))
    for other in others:
        pool = pool_of(turn, other.venue)
        needed = 0.0 if pool.distance is None else pool.equity_for(reference_of(turn, other, pool) or pool.distance)
        free = min(pool.equity_usd - needed, float(turn.ledger.wallets(other.venue).futures_usd))
        if free > 0:
            found.append(Source(venue=other.venue, spot=False, free_usd=free, fee_usd=BETWEEN_VENUES_FEE_USD,
                                outlast=far))
    return tuple(found)


def _in_flight_usd(turn: Turn, venue: Venue) -> float:
    return sum(float(t.amount_usd) for t in turn.ledger.state.transfers.values()
               if t.venue_to == venue and t.wallet_to is Wallet.FUTURES)


def _top_up(turn: Turn, venue: Venue, top_up: TopUp, share: float) -> None:
    amount = Decimal(repr(top_up.amount_usd)).quantize(_CENT, rounding="ROUND_DOWN")
    if amount <= 0:
        return
    source = top_up.source
    turn.transfer(
        Transfer(turn.new_transfer_id(), source.venue, Wallet.SPOT if source.spot else Wallet.FUTURES, venue,
                 Wallet.FUTURES, amount),
        f"margin at {share:.0%} of its distance at entry",
    )


def _shrink(turn: Turn, venue: Venue, verdict: KeeperVerdict) -> None:
    """Both legs of the pool's pairs shrink together, and the hedge's; what is freed can then be moved."""
    if hedge_desk.shrink(turn, venue, verdict.shrink_to, "margin"):
        turn.note("margin_reduce", pair_id=HEDGE, venue=venue, limit="margin_reduce_share",
                  value=f"{verdict.share or 0.0:.3f}", allowed=turn.params.risk.margin_reduce_share,
                  shrink_to=f"{verdict.shrink_to:.3f}")
    for pair in tuple(turn.state.pairs.values()):
        if not pair.live or venue not in _venues(turn, pair):
            continue
        share = verdict.share or 0.0
        if not pairs_desk.reachable(turn, pair) and share >= turn.params.risk.margin_last_share:
            turn.alert("margin_waits", f"{pair.pair_id}: margin at {venue} is at {share:.0%} of its distance at entry, "
                                       "and the other leg's venue cannot be reached; both legs are kept", page=True)
            continue
        held = hedged_base(pairs_desk.situation(turn, pair, pair.long_leg),
                           pairs_desk.situation(turn, pair, pair.short_leg))
        steps = int(held * Decimal(repr(verdict.shrink_to)) // pair.step_base)
        limit = "margin_reduce_share"
        turn.note("margin_reduce", pair_id=pair.pair_id, venue=venue, limit=limit, value=f"{share:.3f}",
                  allowed=turn.params.risk.margin_reduce_share, shrink_to=f"{verdict.shrink_to:.3f}")
        if steps == 0:
            pairs_desk.close(turn, pair.pair_id, "margin", urgent=True)
        elif steps * pair.step_base < held:
            pairs_desk.begin(turn, pair, steps * pair.step_base, "resize", "margin", urgent=True)


def check_stops(turn: Turn) -> Decimal:
    """Drawdown and daily loss on marked equity: fresh, by two sources, twice, before anything closes; the equity."""
    sample = equity_sample(turn)
    if turn.state.start_equity_usd <= ZERO:
        return sample.equity_usd
    limits, modes = turn.params.risk, turn.state.modes
    if sample.doubtful:
        _doubt(turn, stops.would_stop(turn.state.stops, sample.equity_usd, limits), ", ".join(sample.doubtful))
        return sample.equity_usd
    verdict = stops.observe(turn.state.stops, sample.equity_usd, turn.now_ns, limits, sample.second_usd)
    _doubt(turn, verdict.unsure, f"{sample.equity_usd:.2f} or {sample.second_usd:.2f} USD by its two sources")
    if verdict.new_day and modes.lift("daily_loss"):
        turn.note("mode_changed", mode=modes.mode().value, lifted="daily_loss")
    if verdict.daily_stop:
        text = f"equity is {-verdict.day_pct:.2f} % below its level at 00 UTC"
        if modes.reduce(turn.reason("daily_loss", text, "the next day")):
            turn.alert("daily_loss", text)
            turn.note("mode_changed", mode=modes.mode().value, reason="daily_loss", limit="daily_loss_stop_pct",
                      value=f"{-verdict.day_pct:.4f}", allowed=turn.params.risk.daily_loss_stop_pct)
    if verdict.drawdown_stop:
        _stop_drawdown(turn, verdict.drawdown_pct)
    return sample.equity_usd


def _stop_drawdown(turn: Turn, drawdown_pct: float) -> None:
    text = f"equity is {drawdown_pct:.2f} % below its peak; closing all pairs"
    if not turn.state.modes.reduce(turn.reason("drawdown", text, "operator: resume")):
        return
    turn.alert("drawdown", text, page=True)
    turn.note("mode_changed", mode=turn.state.modes.mode().value, reason="drawdown", limit="drawdown_stop_pct",
              value=f"{drawdown_pct:.4f}", allowed=turn.params.risk.drawdown_stop_pct)
    hedge_desk.close(turn, "drawdown", urgent=False)
    for pair in tuple(turn.state.pairs.values()):
        if pair.state is not PairState.FLAT:
            pairs_desk.close(turn, pair.pair_id, "drawdown")


def _doubt(turn: Turn, unsure: bool, why: str) -> None:
    """A drawdown that an old or odd price may have made up: nothing opens until it is known, and nothing is closed."""
    modes = turn.state.modes
    if not unsure:
        if modes.lift("equity_unsure"):
            turn.note("mode_changed", mode=modes.mode().value, lifted="equity_unsure")
        return
    text = f"equity may be at its drawdown stop, and is not known: {why[:200]}"
    if modes.reduce(turn.reason("equity_unsure", text, "fresh prices that agree")):
        turn.alert("equity_unsure", f"{text}; nothing opens, nothing is closed", page=True)
        turn.note("mode_changed", mode=modes.mode().value, reason="equity_unsure")

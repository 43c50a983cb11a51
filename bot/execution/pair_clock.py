"""R9's clock: since when a pair's legs differ, when to look again, when to page the operator."""

from __future__ import annotations

from decimal import Decimal

from bot.domain.values import NS_PER_S, Nanos
from bot.execution.pair_moves import LegSituation, Moves
from bot.execution.params import ExecutionParams
from bot.portfolio.pairs import Pair


def run_clock(
    pair: Pair, gap: Decimal, whole: bool, now_ns: Nanos, params: ExecutionParams, moves: Moves, long: LegSituation
) -> None:
    """Start, go on with or stop the clock; asks to be looked at again at each of its bounds, and pages in between."""
    if whole:
        if pair.unhedged_since_ns is not None:
            seconds = (now_ns - pair.unhedged_since_ns) / NS_PER_S
            moves.notes.append(("unhedged", (("pair_id", pair.pair_id), ("seconds", f"{seconds:.3f}"))))
            pair.unhedged_since_ns = None
            pair.paged_ns = None
            pair.tries = 0
            pair.next_try_ns = Nanos(0)
        return
    if pair.unhedged_since_ns is None:
        pair.unhedged_since_ns = now_ns
        pair.tries = 0
        pair.next_try_ns = Nanos(0)
    if long.quote is not None:
        usd = abs(gap) * long.instrument.price(long.quote.bid_ticks)
        pair.unhedged_peak_usd = max(pair.unhedged_peak_usd, usd)
    age_s = (now_ns - pair.unhedged_since_ns) / NS_PER_S
    for bound_s in (params.cross_after_s, params.unwind_after_s, params.page_after_s):
        if age_s < bound_s:
            moves.wake(pair.unhedged_since_ns + int(bound_s * NS_PER_S))
    page_every_ns = int(params.page_after_s * NS_PER_S)
    last = pair.paged_ns if pair.paged_ns is not None else pair.unhedged_since_ns
    if now_ns - last >= page_every_ns:
        pair.paged_ns = now_ns
        moves.page = f"{pair.coin}: one leg is {gap:+f} {pair.coin} too long since {age_s:.0f} s; still trimming"
    if pair.unhedged_since_ns is not None:
        moves.wake((pair.paged_ns or pair.unhedged_since_ns) + page_every_ns)

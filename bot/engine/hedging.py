"""The beta hedge at a decision, solved last: the book's beta, the instrument, the size, and the whole book once more.

Order of application: sizes, caps, ES and stress on pairs (both legs alike), then the hedge inside its own caps, then
the book with it. There is no overlay yet that could give way to a hedge that does not fit: the hedge itself is made
smaller then, and the limit that did it is on record. Where a hedge lowers tail and stress nothing stands in its way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from bot.domain.values import HEDGE, ZERO, InstrumentId, Side
from bot.engine import book_beta, governing, hedge_desk, hedge_room, owner_legs
from bot.engine.exposure import data_age_s, data_age_s_max
from bot.engine.turn import Turn
from bot.market.costs import leg_costs
from bot.portfolio.hedge_legs import HedgeRecord
from bot.risk.book_tail import PairLegs
from bot.risk.governor import Cut
from bot.risk.modes import Mode
from bot.strategy.allocation import Target
from bot.strategy.hedge import Hedge, HedgeHeld, HedgeInstrument, plan_hedge

_EPS_USD: Final = 1.0
"""Nobody trades a dollar."""


def hedge(turn: Turn, targets: Sequence[Target], equity_usd: float) -> tuple[HedgeRecord, tuple[Cut, ...]]:
    """Plan the hedge beside these targets, set it in motion if it must move; what was found, and what limits took."""
    hedge_desk.forget_over(turn)
    held = _held(turn)
    exposure = book_beta.exposure_usd(turn)
    reason = _idle(turn, held, exposure, equity_usd)
    if reason:
        if reason in ("nothing_to_hedge", "switched_off"):
            hedge_desk.close(turn, reason, urgent=False)
        elif held.instrument is not None:
            governing.measure_hedge(turn, targets, equity_usd, *_leg_and_size(turn, held))
        return _keep(turn, _still(turn, held, exposure, equity_usd, reason)), ()
    found = plan_hedge(exposure, equity_usd, held, _candidates(turn, held, exposure, equity_usd), turn.params.hedge)
    wanted, reason = _by_mode(turn, held, found)
    wanted, cuts = _fitting(turn, targets, equity_usd, held, wanted)
    record = _record(turn, held, exposure, equity_usd, found, wanted, cuts[-1].limit if cuts else reason)
    _move(turn, held, wanted, record.reason)
    return _keep(turn, record), cuts


def _fitting(turn: Turn, targets: Sequence[Target], equity_usd: float, held: HedgeHeld, wanted: HedgeHeld
             ) -> tuple[HedgeHeld, tuple[Cut, ...]]:
    """What the whole book's limits leave of the hedge that is wanted."""
    legs, wanted_usd = _leg_and_size(turn, wanted)
    if legs is None:
        return wanted, ()
    same = wanted.instrument == held.instrument and wanted.notional_usd * held.notional_usd > 0.0
    own_usd = abs(held.notional_usd) if same else 0.0
    size, cuts = governing.fit_hedge(turn, targets, equity_usd, own_usd, legs, wanted_usd)
    return HedgeHeld(wanted.instrument, math.copysign(size, wanted.notional_usd)) if cuts else wanted, cuts


def _leg_and_size(turn: Turn, held: HedgeHeld) -> tuple[PairLegs | None, float]:
    return legs_of(turn, held), abs(held.notional_usd)


def legs_of(turn: Turn, held: HedgeHeld) -> PairLegs | None:
    """The hedge as tail and stress take it: one leg, on its side; None if nothing is held."""
    if held.instrument is None or not held.notional_usd:
        return None
    long = held.notional_usd > 0.0
    return PairLegs(HEDGE, turn.instrument(held.instrument).coin, held.instrument if long else None,
                    None if long else held.instrument)


def with_hedge(turn: Turn, legs: tuple[PairLegs, ...], sizes: Mapping[str, float]
               ) -> tuple[tuple[PairLegs, ...], dict[str, float]]:
    """A book of pairs and their sizes, and the hedge as it is held."""
    held = _held(turn)
    own = legs_of(turn, held)
    if own is None:
        return legs, dict(sizes)
    return (*legs, own), {**sizes, own.key: abs(held.notional_usd)}


def _held(turn: Turn) -> HedgeHeld:
    """The largest leg of the hedge, signed; nothing if there is none."""
    best = HedgeHeld()
    for leg in turn.state.hedge.legs:
        usd = hedge_room.held_usd(turn, leg)
        if math.isfinite(usd) and abs(usd) > abs(best.notional_usd):
            best = HedgeHeld(leg, usd)
    return best


def _idle(turn: Turn, held: HedgeHeld, exposure: float | None, equity_usd: float) -> str:
    """Why nothing is planned at all; cheap gates before any price or cost is looked up. Empty: there is a plan to make.

    A hedge that is being traded already finishes that first.
    """
    params = turn.params.hedge
    if turn.state.modes.mode() is Mode.HALTED:
        return "halted"
    if not params.enabled:
        return "switched_off"
    if hedge_desk.moving(turn) or len(turn.state.hedge.legs) > 1:
        return "in_motion"
    if held.instrument is None and not turn.state.hedge.legs:
        if exposure is not None and equity_usd > 0.0 and (
                abs(params.target_beta - exposure / equity_usd) <= params.band):
            return "in_band"
    elif exposure is not None and not params.target_beta and abs(exposure) < _EPS_USD:
        return "nothing_to_hedge"
    elif held.instrument is None or not _tradable(turn, held.instrument):
        return "unavailable"
    return ""


def _candidates(turn: Turn, held: HedgeHeld, exposure: float | None, equity_usd: float) -> tuple[HedgeInstrument, ...]:
    """Every perpetual that may carry the hedge, and the one that does."""
    beta_now = (exposure or 0.0) / equity_usd if equity_usd > 0.0 else 0.0
    needed = turn.params.hedge.target_beta - beta_now
    return tuple(_candidate(turn, instrument, held, math.copysign(1.0, needed), abs(needed) * max(equity_usd, 0.0))
                 for instrument, rules in turn.state.market.instruments.items() if rules.is_perp)


def _candidate(turn: Turn, instrument: InstrumentId, held: HedgeHeld, side: float, size_usd: float) -> HedgeInstrument:
    """One of them; what is not known, or may not be traded now, keeps it out of the choice."""
    rules = turn.instrument(instrument)
    reading = turn.memory.beta_of(turn.state, turn.params.hedge, rules.coin)
    beta = None if reading is None else reading.value
    mid, quote = turn.state.market.mid(instrument), turn.state.market.quote(instrument)
    if beta is None or not beta or mid is None or quote is None or not _may_carry(turn, instrument, held):
        return HedgeInstrument(instrument=instrument, beta=beta, cost_bps=None, funding_bps_h=None,
                               notional_max_usd=0.0)
    side = math.copysign(side, side * beta)
    lot_usd = float(rules.quantity(1) * mid)
    own_usd = held.notional_usd if held.instrument == instrument and held.notional_usd * side > 0.0 else 0.0
    most_usd, _ = _most_usd(turn, instrument, side, own_usd)
    costs = leg_costs(rules, quote, Side.BUY if side > 0.0 else Side.SELL, int(min(size_usd, most_usd) / lot_usd))
    history = turn.state.market.funding.get(instrument)
    least_usd = max(rules.lots_min * lot_usd, 1.02 * float(rules.notional_min_usd))
    return HedgeInstrument(
        instrument=instrument, beta=beta,
        cost_bps=None if costs is None else costs.fee_in_bps + costs.fee_out_bps + 2 * costs.half_spread_bps
        + costs.slippage_in_bps + costs.slippage_out_bps,
        funding_bps_h=1e4 * history.fast_h if history is not None and history.count else None,
        notional_max_usd=most_usd, step_usd=lot_usd, smallest_usd=least_usd,
    )


def _most_usd(turn: Turn, instrument: InstrumentId, side: float, own_usd: float) -> tuple[float, str]:
    """The most the hedge may be there, what it holds on that side already counted, and the cap that says so."""
    mid, quote = turn.state.market.mid(instrument), turn.state.market.quote(instrument)
    if mid is None or quote is None:
        return 0.0, "depth"
    visible = max(min(quote.bid_lots, quote.ask_lots), quote.depth_lots)
    depth_usd = float(turn.instrument(instrument).quantity(visible) * mid)
    room = hedge_room.room_of(turn, instrument, side)
    return min((abs(own_usd) + room.notional_usd, room.limit),
               (depth_usd / turn.params.carry.depth_multiple_min, "depth"))


def _cap_of(turn: Turn, found: Hedge, held: HedgeHeld, equity_usd: float) -> str:
    """The name of what capped a hedge; empty if nothing did."""
    if found.cap_usd is None or found.instrument is None:
        return ""
    side = math.copysign(1.0, found.notional_usd)
    same = held.instrument == found.instrument and held.notional_usd * side > 0.0
    most_usd, name = _most_usd(turn, found.instrument, side, held.notional_usd if same else 0.0)
    return "notional_share_max" if turn.params.hedge.notional_share_max * equity_usd <= most_usd else name


def _may_carry(turn: Turn, instrument: InstrumentId, held: HedgeHeld) -> bool:
    """Opens are not blocked there and its data are fresh; the one in use stays in the choice while it can be traded."""
    if instrument == held.instrument:
        return _tradable(turn, instrument)
    rules = turn.instrument(instrument)
    return _tradable(turn, instrument) and not turn.state.modes.blocks_open(rules.venue, instrument)


def _tradable(turn: Turn, instrument: InstrumentId) -> bool:
    fresh = data_age_s(turn, instrument) <= data_age_s_max(turn)
    return (fresh and instrument not in turn.state.market.halted
            and owner_legs.venue_reachable(turn, instrument))


def _by_mode(turn: Turn, held: HedgeHeld, found: Hedge) -> tuple[HedgeHeld, str]:
    """What the mode lets be wanted: beside RUN a hedge only comes nearer zero, in the instrument that it has."""
    wanted = HedgeHeld(found.instrument, found.notional_usd)
    if turn.state.modes.mode() is Mode.RUN:
        return wanted, found.reason
    same_side = wanted.instrument == held.instrument and wanted.notional_usd * held.notional_usd >= 0.0
    if same_side and abs(wanted.notional_usd) <= abs(held.notional_usd):
        return wanted, found.reason
    return held, "reduce_only"


def _move(turn: Turn, held: HedgeHeld, wanted: HedgeHeld, reason: str) -> None:
    """Set legs in motion: what is left behind first, then the leg that is wanted, with the collateral it needs."""
    if held.instrument is not None and wanted.instrument != held.instrument:
        hedge_desk.close(turn, reason, urgent=False, instrument=held.instrument)
    if wanted.instrument is None or (wanted == held):
        return
    rules, mid = turn.instrument(wanted.instrument), turn.state.market.mid(wanted.instrument)
    if mid is None:
        return
    size = Decimal(repr(abs(wanted.notional_usd))) / mid
    lots = int((size / rules.lot_size).to_integral_value("ROUND_HALF_UP"))
    target = rules.quantity(lots).copy_sign(Decimal(repr(wanted.notional_usd)))
    if target == turn.ledger.quantity(wanted.instrument, HEDGE):
        return
    side = math.copysign(1.0, wanted.notional_usd)
    own_usd = held.notional_usd if wanted.instrument == held.instrument and held.notional_usd * side > 0.0 else 0.0
    room = hedge_room.room_of(turn, wanted.instrument, side)
    missing_usd = (abs(wanted.notional_usd) - abs(own_usd) - room.futures_usd) * room.rate
    transfer_id = hedge_desk.collateral(turn, rules.venue, missing_usd) if missing_usd > _EPS_USD else ""
    hedge_desk.begin(turn, wanted.instrument, target if lots else ZERO, reason, waiting_transfer=transfer_id)


# ----------------------------------------------------------------------------------------------------- records


def _still(turn: Turn, held: HedgeHeld, exposure: float | None, equity_usd: float, reason: str) -> HedgeRecord:
    """Nothing was planned: the beta as it is."""
    beta = _beta(turn, held, exposure, equity_usd)
    params = turn.params.hedge
    return HedgeRecord(at_ns=turn.now_ns, target_beta=params.target_beta, band=params.band,
                       exposure_usd=_cents(exposure), beta_before=_rounded(beta), beta_after=_rounded(beta),
                       instrument=held.instrument, held_usd=round(held.notional_usd, 2),
                       wanted_usd=0.0 if reason == "nothing_to_hedge" else round(held.notional_usd, 2), reason=reason)


def _record(turn: Turn, held: HedgeHeld, exposure: float | None, equity_usd: float, found: Hedge, wanted: HedgeHeld,
            reason: str) -> HedgeRecord:
    return HedgeRecord(
        at_ns=turn.now_ns, target_beta=turn.params.hedge.target_beta, band=round(found.band, 6),
        exposure_usd=_cents(exposure), beta_before=_rounded(found.beta_before),
        beta_after=_rounded(_beta(turn, wanted, exposure, equity_usd)), instrument=wanted.instrument or held.instrument,
        held_usd=round(held.notional_usd, 2), wanted_usd=round(wanted.notional_usd, 2), reason=reason,
        cap=_cap_of(turn, found, held, equity_usd), cap_usd=_cents(found.cap_usd),
    )


def _beta(turn: Turn, hedge_of: HedgeHeld, exposure: float | None, equity_usd: float) -> float | None:
    """Of the book with this hedge, per unit of equity."""
    if exposure is None or not equity_usd > 0.0:
        return None
    if hedge_of.instrument is None or not hedge_of.notional_usd:
        return exposure / equity_usd
    own = turn.memory.beta_of(turn.state, turn.params.hedge, turn.instrument(hedge_of.instrument).coin)
    return None if own is None else (exposure + own.value * hedge_of.notional_usd) / equity_usd


def _keep(turn: Turn, record: HedgeRecord) -> HedgeRecord:
    """Into the state; a note only where something is said that was not said an hour ago."""
    before = turn.state.hedge.last
    turn.state.hedge.last = record
    if before is None or before.reason != record.reason or record.wanted_usd != record.held_usd:
        turn.note("hedge_planned", instrument=record.instrument or "", held_usd=record.held_usd,
                  wanted_usd=record.wanted_usd, beta=_text(record.beta_before), target=record.target_beta,
                  band=record.band, reason=record.reason)
    return record


def _text(beta: float | None) -> str:
    return "" if beta is None else f"{beta:.4f}"


def _rounded(beta: float | None) -> float | None:
    return None if beta is None else round(beta, 6)


def _cents(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 2)


"""A plan as people read it, and as a file that runs again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bot.domain.errors import ConfigRefused
from bot.domain.values import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S
from bot.runtime.sim_plan import CLOSING_NS, PLACES, SimPlan
from bot.runtime.sim_profiles import profile_named
from bot.venues.simulated.fault_kinds import ROW_OF, Shape

_DAYS_MAX: Final = 3_650


def clock(at_ns: int) -> str:
    """A simulated instant, to the millisecond."""
    moment = datetime.fromtimestamp(at_ns // NS_PER_S, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{at_ns % NS_PER_S // 1_000_000:03d}"


def fault_count(plan: SimPlan) -> int:
    """How many single things a plan does: hits, windows, instants, deaths, operators' orders, market moves."""
    return (len(plan.faults.chosen or ()) + len(plan.faults.strikes) + len(plan.deaths) + len(early_orders(plan))
            + sum(move.log_jump != 0.0 for move in plan.scenarios))


def early_orders(plan: SimPlan) -> list[int]:
    """Places of the orders given while faults were on; those after stand in every plan."""
    return [place for place, order in enumerate(plan.orders) if order.at_ns < plan.quiet_ns]


def plan_lines(plan: SimPlan) -> list[str]:
    """Everything that will be done to the bot, in the order of time."""
    lines = [f"seed {plan.seed}, profile {plan.profile}: {clock(plan.start_ns)} to {clock(plan.end_ns)}, quiet from "
             f"{clock(plan.quiet_ns)}; requests time out after {plan.request_timeout_ms / 1e3:.1f} s"]
    if plan.faults.no_validity:
        lines.append(f"without a validity window: {', '.join(plan.faults.no_validity)}")
    if plan.faults.chosen is None:
        rates = " ".join(f"{kind.value} {share:g}" for kind, share in plan.faults.rates.shares.items() if share)
        lines.append(f"chances: {rates or 'none'}")
    else:
        lines += [f"hit: {name}" for name in plan.faults.chosen] or ["chances: none"]
    happens: list[tuple[int, str]] = []
    for strike in plan.faults.strikes:
        length = f" for {(strike.end_ns - strike.at_ns) / NS_PER_S:.1f} s" if strike.end_ns > strike.at_ns else ""
        size = f", size {strike.size:.3g}" if strike.size else ""
        happens.append((strike.at_ns, f"{strike.kind.value} {strike.venue or 'process'}{length}{size}"))
    for death in plan.deaths:
        wants = ", at the next order" if death.wants_order else ""
        happens.append((death.at_ns, f"death {death.place}{wants}, back after {death.down_ns / NS_PER_S:.1f} s"))
    for order in plan.orders:
        wants = ", while an order is under way" if order.wants_order else ""
        happens.append((order.at_ns, f"operator: {order.action.value}{wants}"))
    for move in plan.scenarios:
        if move.log_jump:
            day_ns = plan.start_ns - plan.start_ns % NS_PER_DAY
            at_ns = day_ns + move.day * NS_PER_DAY + int(move.hour * NS_PER_HOUR)
            happens.append((at_ns, f"market: {move.coin} moves {move.log_jump:+.3f} over {move.duration_h:.2f} h"))
    return [*lines, *(f"{clock(at_ns)}  {text}" for at_ns, text in sorted(happens))]


def encode_plan(plan: SimPlan) -> str:
    """The plan as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(plan), indent=2).decode()


def read_plan(path: Path) -> SimPlan:
    """The plan in a file.

    Raises:
        ConfigRefused: no file, no plan, or one that could not be carried out; the line says where.
    """
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=SimPlan)
    except OSError as error:
        raise ConfigRefused(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigRefused(f"{path}: not a plan of `evenkeel sim --shrink`: {error}") from None
    fault = _fault_of(plan)
    if fault:
        raise ConfigRefused(f"{path}: {fault}")
    return plan


def _fault_of(plan: SimPlan) -> str:
    """Why a plan that can be read cannot be run; empty if it can."""
    profile_named(plan.profile)
    if not 0 < plan.start_ns < plan.quiet_ns < plan.end_ns - CLOSING_NS:
        return f"start_ns, quiet_ns and end_ns must follow each other, {CLOSING_NS // NS_PER_MINUTE} min before the end"
    if plan.end_ns - plan.start_ns > _DAYS_MAX * NS_PER_DAY:
        return f"longer than {_DAYS_MAX} days"
    if not 1.0 <= plan.request_timeout_ms <= 60_000.0:
        return "request_timeout_ms must lie between 1 and 60000"
    for strike in plan.faults.strikes:
        if ROW_OF[strike.kind].shape is Shape.CHANCE:
            return f"{strike.kind.value} is a chance, no strike"
        if not plan.start_ns <= strike.at_ns <= strike.end_ns <= plan.end_ns:
            return f"{strike.kind.value} at {strike.at_ns} does not lie within the run"
    for death in plan.deaths:
        if death.place not in PLACES or death.down_ns < 0:
            return f"a death {death.place!r} for {death.down_ns} ns: places are {', '.join(PLACES)}"
    if any(not plan.start_ns <= order.at_ns <= plan.end_ns for order in plan.orders):
        return "an operator's order lies outside the run"
    return ""

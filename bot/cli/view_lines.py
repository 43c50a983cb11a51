"""The engine's picture as lines of text of a given width: what the live view and `status` are both put together from.

Every column has a fixed width and every number a fixed place, so that nothing jumps between two refreshes. A colour
never stands without its word.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from rich.text import Text

from bot.cli.output import program
from bot.domain.values import NS_PER_S
from bot.engine.view import EngineView, LegView, LimitView, PairView, ReasonView, VenueView
from bot.research.number_text import clock, countdown, duration, instant, number, pct, usd, words

MODE_STYLES: Final = {"RUN": "bold black on green", "REDUCE_ONLY": "bold black on yellow",
                      "HALTED": "bold white on red"}
KIND_STYLES: Final = {"live": "bold white on magenta", "shadow": "bold white on blue", "paper": "bold white on blue",
                      "demo": "bold black on cyan"}
STATE_STYLES: Final = {"HEDGED": "green", "FLAT": "dim", "UNWINDING": "bold red"}
PARTS: Final = ("funding", "basis", "price", "fees", "slippage", "borrow")
REAL_TIME: Final = ("paper", "shadow", "live")
"""Kinds of run whose clock is ours; the others make their own time."""
NEAR_LIMIT: Final = 0.8
FLOORS: Final = "margin_distance_"
"""Limits of this prefix are crossed from above: the distance to liquidation must stay over them."""


class PairColumn(NamedTuple):
    """One column of the pairs' table and how readily it is given up on a narrow terminal (highest first)."""

    name: str
    width: int
    given_up: int
    left: bool = False


PAIR_COLUMNS: Final = (
    PairColumn("pair", 6, 0, left=True), PairColumn("long leg", 19, 0, left=True),
    PairColumn("short leg", 19, 0, left=True), PairColumn("notional", 9, 1), PairColumn("delta", 7, 4),
    PairColumn("a year", 6, 6), PairColumn("pays in", 8, 3), PairColumn("earned", 9, 5),
    PairColumn("net USD", 9, 1), PairColumn("to liq.", 7, 7), PairColumn("basis", 8, 8),
    PairColumn("state", 11, 2, left=True),
)


def line(*parts: str | tuple[str, str] | Text) -> Text:
    """One line that is cut, never wrapped."""
    text = Text.assemble(*parts)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def mode_line(view: EngineView) -> Text:
    """Mode and kind as unmistakable words, then why, then the engine's clock."""
    mode = (f" {view.mode} ", MODE_STYLES.get(view.mode, "bold white on red"))
    kind = (f" {view.kind.upper()} ", KIND_STYLES.get(view.kind, "reverse"))
    reasons = "; ".join(view.mode_reasons)
    zone = "UTC" if view.kind in REAL_TIME else "of simulated time"
    return line(mode, " ", kind, f" {view.account}  ", (f"{instant(view.at_ns)} {zone}  ", "dim"), (reasons, "bold"))


def equity_line(view: EngineView) -> Text:
    """Equity, what it made since the start and today, and how far it is below its peak."""
    return line(
        "equity ", (f"{usd(view.equity_usd):>14} USD", "bold"), "  ",
        (f"{pct(view.net_pct, signed=True):>8}", f"bold {sign_style(view.net_pct)}".rstrip()), "   today ",
        (f"{usd(view.day_usd, signed=True):>10}", sign_style(float(view.day_usd))), "   drawdown ",
        f"{pct(-abs(view.drawdown_pct)):>7}")


def attribution_lines(view: EngineView, width: int) -> list[Text]:
    """Where it came from: a line of names over a line of USD, ending in their sum."""
    parts = view.attribution
    cell = min(14, max(9, width // 7))
    names, amounts = [], []
    for name in (*PARTS, "total"):
        amount = getattr(parts, name)
        text = usd(amount, signed=True, places=2 if cell >= 11 else 0)
        style = f"{'bold ' if name == 'total' else ''}{sign_style(float(amount))}".rstrip()
        names.append((f"{name:>{cell}}", "dim"))
        amounts.append((f"{text:>{cell}}", style))
    return [line(*names), line(*amounts)]


def unhedged_line(view: EngineView) -> Text:
    """The first number to look at: what stands without its other leg, and for how long."""
    amount, equity = abs(Decimal(view.unhedged_usd)), Decimal(view.equity_usd)
    of_equity = float(100 * amount / equity) if equity > 0 else None
    gross = number(float(Decimal(view.gross_usd) / equity)) if equity > 0 else "-"
    whole = view.unhedged_s == 0  # what is left then is spot dust below one lot
    size = f"{usd(amount):>10} USD {f'({pct(of_equity)})':<8}"
    verdict = (" hedged     ", "green") if whole else (f" for {duration(view.unhedged_s):<7}", "bold yellow")
    return line(
        ("UNHEDGED ", "bold"), (size, "" if whole else "bold yellow"), verdict,
        f"  gross {gross:>5}x", "  next funding ", (countdown(view.at_ns, view.next_funding_ns), "bold"))


def hedge_line(view: EngineView) -> list[Text]:
    """The book's beta against its band, and what the hedge holds; nothing before the first decision."""
    hedge = view.hedge
    if hedge is None or hedge.at_ns is None:
        return []
    beta = "unknown" if hedge.beta is None else f"{hedge.beta:+.4f}"
    inside = hedge.beta is not None and abs(hedge.beta - hedge.target_beta) <= hedge.band + 1e-6
    held = "no hedge" if hedge.state == "none" else (
        f"{hedge.state} {usd(hedge.notional_usd, signed=True, places=0)} USD of {hedge.instrument}, net "
        f"{usd(hedge.net_usd, signed=True)}")
    return [line(("BETA     ", "bold"), (f"{beta:>10}", "" if inside else "bold yellow"),
                 f" of {hedge.target_beta:+.2f} +- {hedge.band:.3f}  ", (words(hedge.reason), "dim"), f"   {held}")]


def alert_lines(view: EngineView) -> list[Text]:
    """Alerts nobody has acknowledged; those that ask for a person now come first."""
    ordered = sorted(view.alerts, key=lambda alert: not alert.page)
    return [line((" ALERT ", "bold white on red" if alert.page else "bold black on yellow"),
                 f" {clock(alert.at_ns)} ", (words(alert.name), "bold"), f": {alert.text}") for alert in ordered]


def storage_lines(view: EngineView) -> list[Text]:
    """How the records are kept, in one line; loud where they are not."""
    kept = view.storage
    if kept is None:
        return []
    free = "unknown" if kept.free_mib is None else f"{kept.free_mib:,.0f} MiB"
    backup = f"backup {instant(kept.last_backup_ns)}" if kept.last_backup_ns is not None else "no backup yet"
    journal = "journal unknown" if kept.journal_mib is None else f"journal {kept.journal_mib:,.1f} MiB"
    trouble = [f"STORAGE FAILS: {kept.failure}"] if kept.failure else []
    trouble += [f"JOURNAL DAMAGED: {kept.chain_findings} findings"] if kept.chain_findings else []
    trouble += [f"disk {kept.disk}"] if kept.disk != "good" else []
    return [line((f"records: {journal}, {backup}, {free} free on the disk", "dim"),
                 (f"  {'; '.join(trouble)}" if trouble else "", "bold red"))]


def idle_lines(view: EngineView) -> list[Text]:
    """Why nothing is held; a normal answer."""
    if view.mode != "RUN":
        lifted = f"until {program()} resume" if view.mode == "HALTED" else "until its reason is lifted"
        return [line((f"no pair held: {view.mode}, nothing is opened {lifted}", "bold"))]
    if view.last_decision_ns is None:
        return [line(("no pair held: no decision yet", "bold"), (", waiting for enough data", "dim"))]
    age = duration((view.at_ns - view.last_decision_ns) / NS_PER_S)
    why = ", ".join(f"{words(reason)} {count}" for reason, count in view.idle_reasons)
    verdict = "nothing clears its costs" if why else "no candidate to judge"
    if any(reason.endswith("warming_up") for reason, _ in view.idle_reasons):
        verdict = "still warming up"
    return [line((f"no pair held: {verdict}", "bold"), f" ({why})" if why else ""),
            line((f"looked {age} ago; each candidate's arithmetic: {program()} decisions", "dim"))]


def pair_lines(view: EngineView, width: int, rows: int | None) -> list[Text]:
    """The pairs with both legs. Where not all fit, those that are not whole come first and the rest is counted."""
    if not view.pairs:
        return idle_lines(view)
    columns, gap = columns_for(width)
    head = gap.join(f"{c.name:{'<' if c.left else '>'}{c.width}}" for c in columns)
    shown = list(view.pairs)
    if rows is not None and len(shown) > rows:
        shown = sorted(shown, key=_is_whole)[:max(1, rows - 1)]
    lines = [line((head, "dim")), *(_pair_line(view, pair, columns, gap) for pair in shown)]
    left = len(view.pairs) - len(shown)
    return [*lines, line((f"and {left} more: {program()} positions", "dim"))] if left else lines


def _is_whole(pair: PairView) -> bool:
    return pair.state.upper() == "HEDGED" and pair.unhedged_s == 0


def columns_for(width: int) -> tuple[tuple[PairColumn, ...], str]:
    """The columns that fit, given up in their order; the pair and both legs always stay."""
    gap = " " if width < 100 else "  "
    columns = list(PAIR_COLUMNS)
    while sum(c.width for c in columns) + len(gap) * (len(columns) - 1) > width:
        first = max(columns, key=lambda column: column.given_up)
        if first.given_up == 0:
            break
        columns.remove(first)
    return tuple(columns), gap


def _pair_line(view: EngineView, pair: PairView, columns: tuple[PairColumn, ...], gap: str) -> Text:
    cells = _pair_cells(view, pair)
    parts: list[str | tuple[str, str]] = []
    for place, column in enumerate(columns):
        text, style = cells[column.name]
        padded = f"{text:<{column.width}}" if column.left else f"{text:>{column.width}}"
        parts.extend((gap if place else "", (padded[:column.width], style)))
    return line(*parts)


def _pair_cells(view: EngineView, pair: PairView) -> dict[str, tuple[str, str]]:
    """Text and style of every column."""
    distances = [leg.liquidation_distance_pct for leg in (pair.long_leg, pair.short_leg)
                 if leg.liquidation_distance_pct is not None]
    nearest = min(distances, default=None)
    loose = pair.unhedged_s > 0
    return {
        "pair": (pair.coin, "bold"),
        "long leg": (leg_text(pair.long_leg, 19), ""),
        "short leg": (leg_text(pair.short_leg, 19), ""),
        "notional": (usd(pair.notional_usd, places=0), ""),
        "delta": (usd(pair.delta_usd, signed=True, places=0), "bold yellow" if loose else ""),
        "a year": (pct(pair.forecast_annual_pct, signed=True, places=1), ""),
        "pays in": (countdown(view.at_ns, pair.next_funding_ns), ""),
        "earned": (usd(pair.funding_usd, signed=True), sign_style(float(pair.funding_usd))),
        "net USD": (usd(pair.net_usd, signed=True), sign_style(float(pair.net_usd))),
        "to liq.": (pct(nearest, places=0), "bold red" if nearest is not None and nearest < 15 else ""),
        "basis": ("-" if pair.basis_bps is None else f"{number(pair.basis_bps, signed=True, places=1)}bp", ""),
        "state": (pair.state.upper(), STATE_STYLES.get(pair.state.upper(), "yellow")),
    }


def leg_text(leg: LegView, width: int) -> str:
    """Venue, spot or perp, and the quantity at the right edge: `binance spot   0.41`."""
    venue, _, symbol = leg.instrument.partition(":")
    kind = "perp" if ":" in symbol else "spot"
    amount = compact_quantity(leg.quantity_base)
    room = width - len(amount) - 1
    name = f"{venue} {kind}" if len(venue) + 5 <= room else f"{venue[:max(3, room - 2)]} {kind[0]}"
    return f"{name:<{room}} {amount}"


def compact_quantity(text: str) -> str:
    """A base quantity in few digits, for a place where the exact one does not fit."""
    value = Decimal(text)
    places = 0 if abs(value) >= 1_000 else 2 if abs(value) >= 10 else 4
    shown = f"{value:,.{places}f}"
    return (shown.rstrip("0").rstrip(".") if "." in shown else shown) or "0"


def limit_lines(view: EngineView, width: int, count: int) -> list[Text]:
    """What stands closest to its limit, nearest first; two to a line where there is room."""
    ranked = sorted(view.limits, key=lambda limit: (-_used(limit), limit.limit))[:count]
    cells = [_limit_cell(limit) for limit in ranked]
    per_line = max(1, (width - 9) // 52)
    lines = []
    for start in range(0, len(cells), per_line):
        head = ("limits   " if start == 0 else "         ", "dim")
        lines.append(line(head, *(part for cell in cells[start:start + per_line] for part in (cell, "   "))))
    return lines


def _limit_cell(limit: LimitView) -> Text:
    used = _used(limit)
    filled = min(8, int(8 * used + 0.5))
    style = "bold red" if used >= 1 else "yellow" if used >= NEAR_LIMIT else ""
    word = "BINDS" if used >= 1 else "near" if used >= NEAR_LIMIT else ""
    places = 0 if limit.allowed >= 1_000 else 1 if limit.allowed >= 20 else 2
    unit = limit.unit if len(limit.unit) <= 1 else ""
    between = ", floor" if limit.limit.startswith(FLOORS) else " of"
    values = f"{number(limit.value, places=places)}{between} {number(limit.allowed, places=places)}{unit}"
    return Text.assemble(f"{_limit_name(limit.limit):<18} ", (f"{'#' * filled}{'-' * (8 - filled)}", style),
                         f" {values:<16} ", (f"{word:<5}", style))


def _used(limit: LimitView) -> float:
    """Share of the limit in use; a limit of zero is used up, and so is a distance of zero."""
    if limit.limit.startswith(FLOORS):
        return limit.allowed / limit.value if limit.value > 0 else 1.0
    return max(limit.value, 0.0) / limit.allowed if limit.allowed > 0 else 1.0


def _limit_name(name: str) -> str:
    """The limit in at most 18 letters, without what its unit says anyway."""
    if name.startswith(FLOORS):
        return f"margin {name.removeprefix(FLOORS)}"[:18]
    for suffix in ("_s_max", "_max", "_stop_pct", "_pct"):
        name = name.removesuffix(suffix)
    return words(name)[:18]


def venue_line(view: EngineView) -> Text:
    """All venues in one line: age of the data, and in words what is wrong."""
    parts: list[tuple[str, str]] = [("venues   ", "dim")]
    for venue in view.venues:
        trouble = venue_trouble(venue)
        parts.append((f"{venue.venue} {duration_s(venue.data_age_s)} ", ""))
        parts.append((f"{trouble or 'ok'}   ", "bold red" if trouble else "green"))
    return line(*parts)


def venue_trouble(venue: VenueView) -> str:
    """What keeps the venue from being traded, in words; empty if nothing does."""
    if not venue.connected:
        return "DISCONNECTED"
    if venue.blocked:
        return f"BLOCKED {', '.join(words(reason) for reason in venue.blocked)}"
    return "NOT RECONCILED" if venue.reconciled_ns is None else ""


def mode_reason_lines(view: EngineView) -> list[Text]:
    """Every reason that holds, of the account, of each venue and each instrument, stacked under its mode."""
    lines = _stacked("account", view.mode, view.reasons)
    for venue in view.venues:
        lines += _stacked(venue.venue, venue.mode, venue.reasons)
    for each in view.instrument_modes:
        lines += _stacked(each.instrument, each.mode, each.reasons)
    return lines


def _stacked(name: str, mode: str, reasons: tuple[ReasonView, ...]) -> list[Text]:
    if not reasons:
        return []
    return [line((f" {mode} ", MODE_STYLES.get(mode, "reverse")), f" {name}"),
            *(line(f"    {words(reason.name)} since {clock(reason.since_ns)}: {reason.text}",
                   (f"; until {reason.lifted_by}" if reason.lifted_by else "", "dim")) for reason in reasons)]


def duration_s(age_s: float | None) -> str:
    """An age in tenths of a second while it is young."""
    return "-" if age_s is None else f"{age_s:.1f}s" if age_s < 10 else duration(age_s)


def sign_style(value: float) -> str:
    """Green above zero, red below, plain at it; the sign itself is always printed."""
    return "green" if value > 0 else "red" if value < 0 else ""


def counted(count: int, noun: str) -> str:
    """`1 pair`, `2 pairs`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"

"""What the reading verbs print: `status`, `positions`, `orders`, `fills`, `decisions`, `funding`.

Each takes the decoded JSON of what the daemon or the journal answered (structs do as well) and returns something rich
can print. A missing value is a dash, never a zero; every column says its unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from bot.cli.note_text import note_text
from bot.cli.told import told_as
from bot.cli.view_lines import (
    alert_lines,
    attribution_lines,
    counted,
    duration_s,
    equity_line,
    hedge_line,
    limit_lines,
    line,
    mode_line,
    mode_reason_lines,
    pair_lines,
    sign_style,
    storage_lines,
    unhedged_line,
    venue_trouble,
)
from bot.domain.errors import Unavailable
from bot.engine.step import CandidateRecord, DecisionRecord
from bot.engine.view import EngineView
from bot.portfolio.hedge_legs import HedgeRecord
from bot.research.number_text import base_quantity, clock, duration, instant, number, pct, usd, words
from bot.research.sheet import Column, Sheet

Rows = Sequence[Mapping[str, Any] | msgspec.Struct]
VERDICT_STYLES: Final = {"open": "bold green", "hold": "green", "close": "yellow", "idle": "dim"}


def as_view(view: Mapping[str, Any] | EngineView) -> EngineView:
    """The picture, typed.

    Raises:
        Unavailable: the JSON is not one that this version can read; the message says where and what to do.
    """
    return view if isinstance(view, EngineView) else told_as(EngineView, view, "status")


class _Status:
    """Everything there is, at the width of the terminal."""

    def __init__(self, view: EngineView) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view, width = self._view, options.max_width
        yield from (mode_line(view), equity_line(view), *attribution_lines(view, width), unhedged_line(view),
                    *hedge_line(view))
        yield from alert_lines(view)
        yield from (line(), *pair_lines(view, width, None))
        yield line((f"{counted(view.closed_pairs, 'pair')} closed so far, {counted(len(view.orders_open), 'order')} "
                    f"open, {view.orders_unknown} with unknown outcome", "dim"))
        yield from storage_lines(view)
        if view.venues:
            yield from (line(), _venues(view))
        yield from mode_reason_lines(view)
        if view.limits:
            yield from (line(), *limit_lines(view, width, len(view.limits)))
        if view.last_notes:
            yield from (line(), *(line(note_text(note)) for note in view.last_notes[::-1]))


def render_status(view: Mapping[str, Any] | EngineView) -> RenderableType:
    """The whole picture: as the live view, but with every pair, alert, limit and venue."""
    return _Status(as_view(view))


def _venues(view: EngineView) -> Sheet:
    columns = (Column("venue", left=True), Column("data"), Column("equity USD"), Column("spot USD", 4),
               Column("futures USD", 4), Column("margin used", 1), Column("orders", 3), Column("positions", 3),
               Column("reconciled", 2), Column("mode", left=True), Column("state", left=True))
    rows = []
    for venue in view.venues:
        trouble = venue_trouble(venue)
        mode = Text(venue.mode or "-", style="" if venue.mode in ("RUN", "") else "bold")
        rows.append((venue.venue, duration_s(venue.data_age_s), usd(venue.equity_usd), usd(venue.spot_usd),
                     usd(venue.futures_usd), pct(venue.margin_used_pct, places=1), str(venue.open_orders),
                     str(venue.positions), clock(venue.reconciled_ns), mode,
                     Text(trouble or "ok", style="bold red" if trouble else "green")))
    return Sheet(columns, rows)


def render_positions(view: Mapping[str, Any] | EngineView) -> RenderableType:
    """Every quantity of every owner; the legs of a pair stand together."""
    typed = as_view(view)
    if not typed.positions:
        return Text("no positions")
    columns = (Column("owner", 4, left=True), Column("instrument", left=True), Column("quantity"), Column("average", 5),
               Column("price", 3), Column("value USD"), Column("unrealised", 1), Column("realised", 6),
               Column("funding", 2), Column("fees", 7))
    return Sheet(columns, (
        (row.owner, row.instrument, base_quantity(row.quantity_base), _price(row.average_price),
         _price(row.price), usd(row.value_usd), _money(row.unrealised_usd), _money(row.realised_usd),
         _money(row.funding_usd), _money(row.fees_usd))
        for row in sorted(typed.positions, key=lambda position: position.owner)), "amounts in USD, quantities in coins")


def render_orders(view: Mapping[str, Any] | EngineView) -> RenderableType:
    """Orders that are open or whose outcome is not known."""
    typed = as_view(view)
    return _order_table(typed.orders_open, "no open orders")


def render_order_history(rows: Rows) -> RenderableType:
    """Orders on record, newest first: keys of `storage.journal_queries.OrderRow`."""
    return _order_table(rows, "no orders on record")


def _order_table(rows: Rows, nothing: str) -> RenderableType:
    if not rows:
        return Text(nothing)
    columns = (Column("at (UTC)", 1, left=True), Column("instrument", left=True), Column("side", left=True),
               Column("quantity"), Column("filled"), Column("limit", 2), Column("purpose", 3, left=True),
               Column("state", left=True), Column("owner", 4, left=True), Column("id", 5, left=True))
    found = []
    for row in map(_plain, rows):
        state = str(row.get("state", "-"))
        loud = "bold yellow" if state.lower() == "unknown" else ""
        outcome = f"{state.upper()} {row.get('reason') or ''}".rstrip()
        found.append((instant(row.get("at_ns")), _word(row, "instrument"), _word(row, "side").lower(),
                      _quantity(row, "quantity_base"), _quantity(row, "filled_base"), _word(row, "limit_price"),
                      _word(row, "purpose"), Text(outcome, loud),
                      _word(row, "owner"), _word(row, "order_id")[-8:]))
    return Sheet(columns, found)


def render_fills(rows: Rows) -> RenderableType:
    """Trades of ours, newest first: keys of `storage.journal_queries.FillRow`."""
    if not rows:
        return Text("no fills yet")
    columns = (Column("at (UTC)", left=True), Column("instrument", left=True), Column("side", left=True),
               Column("quantity"), Column("price", 1), Column("notional USD", 3), Column("fee", 2),
               Column("as", 4, left=True), Column("cause", left=True))
    found = []
    for row in map(_plain, rows):
        cause = _word(row, "cause")
        fee = f"{_word(row, 'fee')} {'coin' if row.get('fee_in_base') else 'USD'}"
        found.append((instant(row.get("at_ns")), _word(row, "instrument"), _word(row, "side").lower(),
                      _quantity(row, "quantity_base"), _word(row, "price"), usd(row.get("notional_usd")), fee,
                      "maker" if row.get("maker") else "taker",
                      Text(cause, style="" if cause in ("order", "-") else "bold red")))
    return Sheet(columns, found)


def render_funding(rows: Rows) -> RenderableType:
    """Funding payments, newest first, with their sum: keys of `storage.journal_queries.FundingRow`."""
    if not rows:
        return Text("no funding payments yet")
    columns = (Column("settled (UTC)", left=True), Column("instrument", left=True), Column("quantity", 1),
               Column("price", 3), Column("rate bp", 2), Column("received USD"))
    found = []
    total = Decimal(0)
    for row in map(_plain, rows):
        rate, amount = row.get("rate"), row.get("amount_usd")
        total += Decimal(amount or 0)
        found.append((instant(row.get("settled_ns", row.get("at_ns"))), _word(row, "instrument"),
                      _quantity(row, "quantity_base"), _word(row, "price"),
                      number(None if rate is None else 1e4 * float(rate), signed=True, places=3),
                      _money(amount, places=4)))
    count = "1 payment" if len(found) == 1 else f"{len(found)} payments"
    return Sheet(columns, found, f"{count} shown, together {usd(total, signed=True, places=4)} USD")


def render_decisions(rows: Rows) -> RenderableType:
    """Decisions, each candidate with its arithmetic in bp of notional, its verdict and the one reason for it."""
    if not rows:
        return Text("no decision yet")
    return Group(*(part for row in rows for part in (_decision(_record(row)), Text())))


def _beta(record: HedgeRecord) -> Text:
    """The book's beta before and after, and what was wanted of the hedge."""
    def shown(beta: float | None) -> str:
        return "-" if beta is None else f"{beta:+.4f}"

    held, wanted = (number(each, signed=True, places=0) for each in (record.held_usd, record.wanted_usd))
    by = f" by {words(record.cap)}" if record.cap else ""
    moved = f"hedge {held} to {wanted} USD of {record.instrument}" if record.wanted_usd != record.held_usd else (
        f"hedge {held} USD of {record.instrument}" if record.held_usd else "no hedge")
    return Text(f"beta: {shown(record.beta_before)} to {shown(record.beta_after)}, target {record.target_beta:+.2f} +- "
                f"{record.band:.3f}; {moved} ({words(record.reason)}{by})")


def _record(row: Mapping[str, Any] | msgspec.Struct) -> DecisionRecord:
    """A decision, typed.

    Raises:
        Unavailable: it is not one that this version can read.
    """
    try:
        return row if isinstance(row, DecisionRecord) else msgspec.convert(row, DecisionRecord)
    except msgspec.ValidationError as error:
        raise Unavailable(f"a decision on record cannot be read ({error})") from None


def _decision(record: DecisionRecord) -> RenderableType:
    head = line((f"{instant(record.at_ns)} UTC", "bold"), f"  {record.mode}  equity {usd(record.equity_usd)} USD",
                (f"  oldest data {duration(record.data_age_ns_max / 1e9)}  {record.decision_id}", "dim"))
    parts: list[RenderableType] = [head]
    if record.mode_reasons:
        parts.append(Text("mode: " + "; ".join(record.mode_reasons)))
    parts.append(_Candidates(record.candidates) if record.candidates else Text("no candidates", style="dim"))
    if record.hedge is not None:
        parts.append(_beta(record.hedge))
    parts.extend(Text(f"{title}: {'; '.join(map(words, found))}") for title, found in (
        ("did", record.actions), ("bound by", record.binding)) if found)
    return Group(*parts)


class _Candidates:
    """One row per candidate and a column per term where that fits, else its sum written out under its name."""

    def __init__(self, candidates: Sequence[CandidateRecord]) -> None:
        self._candidates = candidates

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = list(dict.fromkeys(name for candidate in self._candidates for name, _ in candidate.terms_bps))
        columns = (Column("pair", left=True), Column("long / short", left=True),
                   *(Column(words(name)) for name in names), Column("verdict", left=True), Column("reason", left=True))
        sheet = Sheet(columns, ((
            candidate.coin, _legs(candidate), *(_term(dict(candidate.terms_bps), name) for name in names),
            _verdict(candidate), words(candidate.reason)) for candidate in self._candidates),
            "terms in bp of notional over the horizon")
        if sheet.fits(options.max_width):
            yield sheet
            return
        for candidate in self._candidates:
            yield line(f"{candidate.coin:<6}", _verdict(candidate), f" {words(candidate.reason)}  ",
                       (_legs(candidate), "dim"))
            terms = (f"{words(name)} {number(value, signed=True, places=1)}" for name, value in candidate.terms_bps)
            yield Padding(Text(("  ".join(terms) or "no terms") + " bp"), (0, 0, 0, 6))


def _legs(candidate: CandidateRecord) -> str:
    return f"{_venue_kind(candidate.long_leg)} / {_venue_kind(candidate.short_leg)}"


def _term(terms: Mapping[str, float], name: str) -> Text:
    return Text(number(terms.get(name), signed=True, places=1), style="bold" if name == "net" else "")


def _verdict(candidate: CandidateRecord) -> Text:
    return Text(f"{candidate.verdict.upper():<5}", style=VERDICT_STYLES.get(candidate.verdict, ""))


def _venue_kind(instrument: str) -> str:
    venue, _, symbol = instrument.partition(":")
    return f"{venue} {'perp' if ':' in symbol else 'spot'}"


def _plain(row: Mapping[str, Any] | msgspec.Struct) -> Mapping[str, Any]:
    """A row as a mapping, whichever form it came in."""
    return {name: getattr(row, name) for name in row.__struct_fields__} if isinstance(row, msgspec.Struct) else row


def _word(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "-" if value is None or value == "" else str(value)


def _quantity(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "-" if value is None else base_quantity(str(value))


def _price(text: str) -> str:
    """A price in its own digits, without trailing zeros; a dash where there is none."""
    return base_quantity(text) if text else "-"


def _money(amount: str | None, places: int = 2) -> Text:
    return Text(usd(amount, signed=True, places=places), style=sign_style(float(amount or 0)))

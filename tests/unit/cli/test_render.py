"""What the terminal shows of an engine: the important first, both legs always, nothing wider than the screen."""

from __future__ import annotations

import time
from io import StringIO
from typing import Any

import msgspec
import pytest
from rich.console import Console, Group, RenderableType

from bot.cli.live_view import LiveView, frame_lines
from bot.cli.note_text import note_text
from bot.cli.render import (
    render_decisions,
    render_fills,
    render_funding,
    render_order_history,
    render_orders,
    render_positions,
    render_status,
)
from bot.cli.view_lines import (
    PAIR_COLUMNS,
    columns_for,
    compact_quantity,
    leg_text,
    pair_lines,
    venue_trouble,
)
from bot.domain.errors import Unavailable
from bot.domain.values import InstrumentId, Nanos
from bot.engine.step import CandidateRecord, DecisionRecord
from bot.engine.view import EngineView, HedgeView, InstrumentModeView, LimitView, ReasonView, StorageView
from bot.portfolio.hedge_legs import HedgeRecord
from tests.unit.cli.sample_view import NOW_NS, as_json, busy, crowded, fresh, halted, idle, leg

TERMS = (("funding", 61.2), ("basis", -4.1), ("fees", -24.0), ("spread", -1.0), ("slippage", -0.7), ("borrow", 0.0),
         ("hurdle", -8.2), ("net", 23.2), ("threshold", 10.0))
DECISION = DecisionRecord(
    decision_id="d-77", at_ns=Nanos(NOW_NS), mode="RUN", mode_reasons=(), equity_usd="101842.10",
    actions=("open BTC 24,900 USD",), binding=("venue_share",), data_age_ns_max=2 * 10**9,
    candidates=(
        CandidateRecord(coin="BTC", long_leg="binance:BTC/USDT", short_leg="bybit:BTC/USDT:USDT", verdict="open",
                        reason="carry_above_costs", terms_bps=TERMS),
        CandidateRecord(coin="DOGE", long_leg="binance:DOGE/USDT", short_leg="bybit:DOGE/USDT:USDT", verdict="idle",
                        reason="basis_unknown", terms_bps=TERMS[:1])))
FILL: dict[str, Any] = {
    "seq": 1, "at_ns": NOW_NS, "venue": "binance", "instrument": "binance:BTC/USDT", "side": "buy",
    "quantity_base": "0.410", "price": "60734.20", "notional_usd": "24901.02", "fee": "0.00041", "fee_in_base": True,
    "maker": False, "order_id": "e4e1", "trade_id": "1", "cause": "order"}
PAYMENT: dict[str, Any] = {
    "seq": 1, "at_ns": NOW_NS, "settled_ns": NOW_NS, "venue": "bybit", "instrument": "bybit:BTC/USDT:USDT",
    "quantity_base": "-0.41", "price": "60726.4", "rate": "0.000125", "amount_usd": "3.112228"}
VIEWS = {"busy": busy, "idle": idle, "halted": halted, "fresh": fresh, "crowded": crowded}


KEPT = StorageView(disk="good", free_mib=78_288.2, ballast=True, failure="", journal_mib=4.3, last_backup="b.db",
                   last_backup_ns=NOW_NS, chain_verified_ns=NOW_NS, chain_findings=0)


def printed(renderable: RenderableType, width: int = 140) -> str:
    """As plain text of this width."""
    console = Console(width=width, file=StringIO(), highlight=False)
    console.print(renderable)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def screen(view: EngineView, width: int, height: int) -> list[str]:
    """The live view's lines as the terminal cuts them."""
    return printed(Group(*frame_lines(view, width, height)), width).removesuffix("\n").split("\n")


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (100, 30), (140, 40), (200, 60)])
@pytest.mark.parametrize("name", list(VIEWS))
def test_the_live_view_fills_its_terminal_exactly(name: str, size: tuple[int, int]) -> None:
    """As many rows as there are, none wider, the mode on top and the way to stop at the bottom."""
    width, height = size
    lines = screen(VIEWS[name](), width, height)
    assert len(lines) == height
    assert all(len(text) <= width and "\n" not in text for text in lines)
    assert lines[0].split()[0] == VIEWS[name]().mode
    assert lines[-2].startswith("Ctrl-C stops")


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140])
def test_both_legs_stay_visible_at_any_width(width: int) -> None:
    """The pair and its legs are never given up."""
    names = [column.name for column in columns_for(width)[0]]
    assert {"pair", "long leg", "short leg"} <= set(names)
    text = "\n".join(screen(busy(), width, 24))
    assert "binance spot   0.41" in text
    assert "bybit perp    -0.41" in text


def test_wider_terminals_show_more() -> None:
    """Columns come back in the order in which they were given up."""
    for width in range(60, 160):
        kept = columns_for(width)[0]
        hidden = [column for column in PAIR_COLUMNS if column not in kept]
        assert all(column.given_up >= max(c.given_up for c in kept) for column in hidden), width
    assert columns_for(160)[0] == PAIR_COLUMNS


def test_nothing_jumps_when_numbers_change() -> None:
    """Every column starts at the same place whatever stands in it."""
    changed = msgspec.structs.replace(busy(), equity_usd="9999.1", day_usd="-12345.6", unhedged_usd="0",
                                    unhedged_s=0.0)
    for text, field in (("UNHEDGED", "gross"), ("UNHEDGED", "next funding"), ("equity", "drawdown")):
        places = set()
        for view in (busy(), changed):
            found = next(row for row in screen(view, 100, 30) if row.startswith(text))
            places.add(found.index(field))
        assert len(places) == 1, field


def test_modes_wear_words_and_reasons() -> None:
    """HALTED says so, why, and what to do next."""
    text = "\n".join(screen(halted(), 100, 30))
    assert "HALTED" in text
    assert "kill: operator, wallet drained" in text
    assert "next: evenkeel resume" in text


def test_unhedged_notional_comes_before_the_pairs() -> None:
    """With its size, its share of equity and its age."""
    text = "\n".join(screen(busy(), 80, 24))
    assert "UNHEDGED     290.00 USD (0.28%)  for 2s" in text
    assert text.index("UNHEDGED") < text.index("pair  ")


def test_an_idle_bot_says_why() -> None:
    """No pair is a normal answer with its reasons; before the first decision it says so."""
    text = "\n".join(screen(idle(), 80, 24))
    assert "no pair held: nothing clears its costs (carry below costs 18, basis unknown 2)" in text
    assert "no decision yet" in "\n".join(screen(fresh(), 80, 24))


def test_pairs_that_are_not_whole_are_seen_first_when_there_is_no_room() -> None:
    """23 pairs on 24 rows: those in motion on top, the rest counted."""
    lines = screen(crowded(), 80, 24)
    head = next(place for place, text in enumerate(lines) if text.startswith("pair"))
    assert [text.split()[0] for text in lines[head + 1:head + 3]] == ["SOL", "ETH"]
    assert any("more: evenkeel positions" in text for text in lines)


def test_pairs_keep_their_order_while_all_fit() -> None:
    """A table that re-sorts itself cannot be read."""
    assert [text.plain.split()[0] for text in pair_lines(busy(), 100, 10)[1:]] == ["BTC", "SOL", "ETH"]


def test_the_nearest_limit_comes_first_and_a_binding_one_says_so() -> None:
    """99 % of a limit is near, 100 % binds, a limit of zero is used up."""
    assert "limits   venue share        ######## 49.5 of 50.0%    near" in "\n".join(screen(busy(), 80, 24))
    over = LimitView(limit="gross_leverage", value=3.0, allowed=3.0, unit="x")
    view = msgspec.structs.replace(busy(), limits=(over,))
    assert "BINDS" in "\n".join(screen(view, 80, 24))
    blocked = msgspec.structs.replace(busy(), limits=(LimitView(limit="opens", value=0.0, allowed=0.0, unit=""),))
    assert "BINDS" in "\n".join(screen(blocked, 80, 24))


def test_a_distance_to_liquidation_is_used_up_from_above() -> None:
    """1.1 of the entry's distance over a floor of 0.6 is fine; 0.5 binds."""
    view = msgspec.structs.replace(busy(), limits=(LimitView(limit="margin_distance_bybit", value=1.1, allowed=0.6,
                                                             unit="of entry"),))
    text = "\n".join(screen(view, 80, 24))
    assert "margin bybit       ####---- 1.10, floor 0.60" in text
    assert "BINDS" not in text
    close = msgspec.structs.replace(view, limits=(msgspec.structs.replace(view.limits[0], value=0.5),))
    assert "BINDS" in "\n".join(screen(close, 80, 24))


def test_the_newest_event_comes_first_and_reads_as_words() -> None:
    """The engine keeps notes oldest first, with nanoseconds and underscores."""
    lines = screen(busy(), 100, 30)
    place = next(number for number, text in enumerate(lines) if text.startswith("last"))
    assert lines[place] == "last     12:00:02 funding +3.10 USD, BTC bybit perp"
    assert note_text("something else") == "something else"


def test_a_price_that_is_not_known_is_a_dash() -> None:
    """The engine hands over an empty text."""
    row = msgspec.structs.replace(busy().positions[0], price="", value_usd="")
    text = printed(render_positions(msgspec.structs.replace(busy(), positions=(row,))))
    assert "  -  " in text


def test_a_stale_or_blocked_venue_is_named_in_words() -> None:
    """Connection, block and reconciliation each have their word."""
    fine = busy().venues[0]
    replace = msgspec.structs.replace
    assert venue_trouble(fine) == ""
    assert venue_trouble(replace(fine, connected=False)) == "DISCONNECTED"
    assert venue_trouble(replace(fine, data_age_s=41.0)) == ""  # the engine says what is stale
    assert venue_trouble(replace(fine, blocked=("post_only",))) == "BLOCKED post only"
    assert venue_trouble(replace(fine, reconciled_ns=None)) == "NOT RECONCILED"


def test_status_shows_everything_from_json() -> None:
    """Every pair, venue, limit and alert of the decoded JSON."""
    text = printed(render_status(as_json(crowded())))
    assert all(f"C{n:02d} " in text for n in range(20))
    assert "hyperliquid   41s" in text
    assert "daily loss" in text
    assert "pair unhedged late" in text


def test_a_picture_of_another_version_is_one_line() -> None:
    """An unknown shape names the place and what to do."""
    broken = as_json(busy())
    del broken["mode"]
    with pytest.raises(Unavailable, match=r"mode.*another version"):
        render_status(broken)


def test_positions_stand_with_both_legs_and_say_what_is_hidden() -> None:
    """On 80 columns the instruments and values stay, the rest is named."""
    text = printed(render_positions(as_json(busy())), 80)
    assert "binance:BTC/USDT " in text
    assert "bybit:BTC/USDT:USDT" in text
    assert "not shown here: owner" in text
    assert "average" in printed(render_positions(as_json(busy())), 140).splitlines()[0]
    assert printed(render_positions(as_json(fresh()))).strip() == "no positions"


def test_orders_of_unknown_outcome_are_shown_as_such() -> None:
    """Open orders and history read alike."""
    assert "UNKNOWN" in printed(render_orders(as_json(busy())), 80)
    row = {"seq": 1, "at_ns": NOW_NS, "order_id": "e4e1" + "0" * 28, "instrument": "a:B/USDT", "owner": "pair-1",
           "side": "buy", "quantity_base": "2", "limit_price": "1", "purpose": "open", "state": "rejected",
           "filled_base": "0", "reason": "margin"}
    assert "REJECTED margin" in printed(render_order_history([row]))
    assert printed(render_orders(as_json(fresh()))).strip() == "no open orders"


def test_fills_say_in_what_the_fee_was_paid() -> None:
    """A spot buy pays in coin; a liquidation is named on a narrow terminal too."""
    forced = FILL | {"fee_in_base": False, "fee": "13.69", "cause": "liquidation"}
    text = printed(render_fills([FILL, forced]))
    assert "0.00041 coin" in text
    assert "13.69 USD" in text
    assert "liquidation" in printed(render_fills([FILL, forced]), 80)
    assert printed(render_fills([])).strip() == "no fills yet"


def test_funding_shows_the_rate_in_bp_and_the_sum() -> None:
    """0.000125 is 1.25 bp; two payments add up."""
    text = printed(render_funding([PAYMENT, PAYMENT | {"amount_usd": "-1.000000"}]))
    assert "+1.250" in text
    assert "2 payments shown, together +2.1122 USD" in text


@pytest.mark.parametrize("width", [80, 140])
def test_decisions_show_each_candidates_arithmetic(width: int) -> None:
    """Terms, verdict and reason at any width; a term that was not known is a dash or absent, never 0."""
    text = printed(render_decisions([msgspec.to_builtins(DECISION)]), width)
    for part in ("+61.2", "-24.0", "+23.2", "OPEN", "carry above costs", "IDLE", "basis unknown",
                 "bound by: venue share"):
        assert part in text, part
    doge = text[text.index("DOGE"):]
    assert "0.0" not in doge


def test_rows_may_be_structs() -> None:
    """The journal's own rows print as well as their JSON."""
    assert printed(render_decisions([DECISION])) == printed(render_decisions([msgspec.to_builtins(DECISION)]))


def test_long_venue_names_and_large_quantities_keep_the_leg_in_its_column() -> None:
    """Nineteen characters, the quantity whole."""
    for instrument, quantity in (("hyperliquid:SOL/USDC:USDC", "-1234567.5"), ("a:B/USDT", "0.00012345"),
                                 ("binance:PEPE/USDT", "98765432.1")):
        text = leg_text(leg(instrument, quantity, "0", "0", None), 19)
        assert len(text) == 19
        assert text.endswith(compact_quantity(quantity))


def test_the_live_view_shows_the_newest_picture_and_leaves_it_behind() -> None:
    """After leaving, the last picture stays in the terminal."""
    console = Console(file=StringIO(), force_terminal=True, width=80, height=24, highlight=False)
    with LiveView(console) as live:
        live.update(as_json(idle()))
        live.update(as_json(halted()))
        time.sleep(0.3)
    assert isinstance(console.file, StringIO)
    left_behind = console.file.getvalue().rpartition("\x1b[?1049l")[2]
    assert "HALTED" in left_behind
    assert "nothing clears" not in left_behind


def test_a_bad_picture_is_refused_at_once_and_the_last_one_stays() -> None:
    """The error comes out where it was handed in, not in the refresher."""
    live = LiveView(Console(file=StringIO(), width=80, height=24))
    with pytest.raises(Unavailable):
        live.update({"mode": "RUN"})


@pytest.mark.parametrize(("note", "text"), [
    ("0 fill_booked order_id=e1 instrument=alpha:BTC/USDT owner=pair-BTC-1 side=buy quantity_base=0.05200 "
     "price=94943.97 fee=0.1 fee_in_base=True maker=False", "00:00:00 bought 0.052 BTC alpha spot at 94943.97"),
    ("0 pair_opened pair_id=pair-XRP-1 coin=XRP long_leg=beta:XRP/USDT short_leg=gamma:XRP/USDC:USDC held_base=9 "
     "notional_usd=22794.4 forecast_usd=41.2",
     "00:00:00 PAIR OPENED XRP: long beta spot, short gamma perp, 22,794 USD a leg"),
    ("0 pair_closed pair_id=p coin=XRP long_leg=beta:XRP/USDT short_leg=beta:XRP/USDT:USDT notional_usd=9 open_ns=1 "
     "close_ns=2 funding_usd=5 forecast_usd=4 fees_usd=-3 net_usd=-1.5 exit_reason=carry",
     "00:00:00 PAIR CLOSED XRP: long beta spot, short beta perp: net -1.50 USD, funding +5.00, fees -3.00 (carry)"),
    ("0 parent_started pair_id=pair-BTC-000003 kind=open held_base=0 target_base=0.0210 slices=1 reason= urgent=False",
     "00:00:00 BTC opening, 0 to 0.021 in 1 slice"),
    ("0 parent_done pair_id=pair-BTC-000003 kind=close held_base=0 target_base=0",
     "00:00:00 BTC closing done, 0 held on both legs"),
    ("0 unhedged pair_id=p seconds=0.080 notional_pct=3.655129",
     "00:00:00 one leg ahead for 0.08 s, at most 3.66% of equity"),
    ("0 control action=pause actor=cli reason=out for lunch", "00:00:00 operator: pause - out for lunch"),
    ("0 mode_changed mode=RUN lifted=kill,daily_loss", "00:00:00 mode RUN (lifted: kill,daily loss)"),
    ("0 forced_fill instrument=alpha:DOGE/USDT:USDT cause=liquidation quantity_base=-900 price=0.05",
     "00:00:00 LIQUIDATION: the venue closed -900 DOGE alpha perp at 0.05"),
    ("0 fill_booked instrument=of_another_version", "00:00:00 fill booked  instrument=of_another_version"),
    ("0 dust_parked pair_id=p instrument=alpha:BTC/USDT quantity_base=7.6E-7",
     "00:00:00 dust set aside: 0.00000076 BTC alpha spot"),
    ("0 kill_verified_flat venues=alpha,beta", "00:00:00 KILL VERIFIED: the venues show flat (alpha, beta)"),
    ("0 venue_connection venue=alpha up=False at_ns=1", "00:00:00 venue connection  venue=alpha up=False"),
])
def test_a_note_is_one_short_sentence(note: str, text: str) -> None:
    """Legs by coin, venue and kind; a note of another version falls back on its words and keys."""
    assert note_text(note) == text


def test_who_is_halted_is_not_told_about_costs() -> None:
    """Nothing held in another mode than RUN: the mode is the reason, and what lifts it."""
    view = msgspec.structs.replace(halted(), pairs=())
    text = "\n".join(screen(view, 100, 30))
    assert "no pair held: HALTED, nothing is opened until evenkeel resume" in text
    assert "costs" not in text


def test_F81_status_stacks_the_reasons_of_account_venues_and_instruments() -> None:
    """The mode of each, every reason with its time, and what lifts it; where all run, no line is spent."""
    told = [ReasonView(name=name, since_ns=Nanos(NOW_NS), text=f"why {name}", lifted_by=f"end of {name}")
            for name in ("operator", "rate_limited", "depeg", "rejects")]
    view = busy()
    venues = (msgspec.structs.replace(view.venues[0], mode="REDUCE_ONLY", reasons=tuple(told[1:3])),
              msgspec.structs.replace(view.venues[1], mode="RUN"))
    shown = msgspec.structs.replace(view, mode="REDUCE_ONLY", reasons=(told[0],), venues=venues, instrument_modes=(
        InstrumentModeView(instrument="bybit:BTC/USDT:USDT", venue="bybit", mode="REDUCE_ONLY", reasons=(told[3],)),))
    text = printed(render_status(as_json(shown)))
    lines = [row.strip() for row in text.splitlines()]
    begin = lines.index("REDUCE_ONLY  account")
    assert lines[begin:begin + 7] == [
        "REDUCE_ONLY  account", "operator since 12:00:05: why operator; until end of operator",
        f"REDUCE_ONLY  {venues[0].venue}", "rate limited since 12:00:05: why rate_limited; until end of rate_limited",
        "depeg since 12:00:05: why depeg; until end of depeg",
        "REDUCE_ONLY  bybit:BTC/USDT:USDT", "rejects since 12:00:05: why rejects; until end of rejects"]
    assert "since 12:00:05" not in printed(render_status(view))


def test_status_says_how_the_records_are_kept() -> None:
    """One quiet line; nothing where nothing is kept."""
    text = printed(render_status(msgspec.structs.replace(busy(), storage=KEPT)))
    assert "records: journal 4.3 MiB, backup 2024-03-01" in text
    assert "78,288 MiB free on the disk" in text
    assert "records:" not in printed(render_status(busy()))


def test_trouble_with_the_records_is_loud() -> None:
    """What failed is said; what is not known is not called zero."""
    kept = msgspec.structs.replace(KEPT, disk="unknown", free_mib=None, failure="disk full", chain_findings=2,
                                   last_backup_ns=None, journal_mib=None)
    text = " ".join(printed(render_status(msgspec.structs.replace(busy(), storage=kept))).split())
    for said in ("journal unknown", "no backup yet", "unknown free", "STORAGE FAILS: disk full", "2 findings",
                 "disk unknown"):
        assert said in text


HEDGE_VIEW = HedgeView(
    at_ns=Nanos(NOW_NS), beta=0.0493, target_beta=0.0, band=0.05, reason="to_edge", state="held",
    instrument="binance:BTC/USDT:USDT", notional_usd="-5021.10", net_usd="-3.20")


def test_the_status_tells_the_books_beta_and_the_hedge() -> None:
    """In one line: the beta, its band, why, and what is held; nothing before the first decision."""
    text = printed(render_status(msgspec.structs.replace(busy(), hedge=HEDGE_VIEW)))
    assert "BETA" in text
    assert "+0.0493 of +0.00 +- 0.050" in text
    assert "held -5,021 USD of binance:BTC/USDT:USDT, net -3.20" in text
    idle_hedge = msgspec.structs.replace(HEDGE_VIEW, state="none", beta=None, reason="beta_unknown")
    text = printed(render_status(msgspec.structs.replace(busy(), hedge=idle_hedge)))
    assert "unknown of +0.00" in text
    assert "no hedge" in text
    assert "BETA" not in printed(render_status(msgspec.structs.replace(
        busy(), hedge=msgspec.structs.replace(HEDGE_VIEW, at_ns=None))))


@pytest.mark.parametrize(("held", "wanted", "said"), [
    (0.0, 0.0, "no hedge (in band)"), (0.0, -5_000.0, "hedge 0 to -5,000 USD of alpha:BTC/USDT:USDT (in band)"),
    (-5_000.0, -5_000.0, "hedge -5,000 USD of alpha:BTC/USDT:USDT (in band)"),
])
def test_a_decision_tells_the_beta_it_found_and_what_it_wanted(held: float, wanted: float, said: str) -> None:
    """Before and after, target and band, and the hedge."""
    record = HedgeRecord(at_ns=Nanos(NOW_NS), target_beta=0.0, band=0.05, exposure_usd=None, beta_before=None,
                         beta_after=0.01, instrument=InstrumentId("alpha:BTC/USDT:USDT"), held_usd=held,
                         wanted_usd=wanted, reason="in_band")
    text = printed(render_decisions([msgspec.structs.replace(DECISION, hedge=record)]))
    assert f"beta: - to +0.0100, target +0.00 +- 0.050; {said}" in text


def test_notes_of_the_hedge_and_of_cuts_are_sentences() -> None:
    """What was started, what it holds, what was planned, and what a limit took."""
    for note, said in (
        ("hedge_started instrument=alpha:BTC/USDT:USDT held_base=0 target_base=-0.5 slices=2 reason=to_edge "
         "urgent=False", "hedge BTC alpha perp: 0 to -0.5 (to edge)"),
        ("hedge_done instrument=alpha:BTC/USDT:USDT held_base=-0.5 target_base=-0.5 reason=to_edge",
         "hedge holds -0.5 BTC alpha perp"),
        ("hedge_planned instrument=x held_usd=0.0 wanted_usd=-5000.0 beta=0.1 target=0.0 band=0.05 reason=to_edge",
         "beta 0.1 of 0.0 +- 0.05: hedge -5,000 USD (to edge)"),
        ("size_capped limit=coin_share pair=a|b value=9.00 allowed=5.00 before_usd=9.00 after_usd=5.00",
         "cut by coin share: a|b 9 to 5 USD"),
    ):
        assert said in note_text(f"{NOW_NS} {note}")

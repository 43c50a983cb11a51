"""The engine's notes as one short sentence each, for the lines under a live view and under `status`.

Names and keys are those of `Turn.note` in `bot/engine`; the log has them unabridged. A note of another name is shown as
its words and its keys, instants and identifiers left out.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from bot.research.number_text import base_quantity, clock, duration, usd, words

Keys = Mapping[str, str]
_SPLIT: Final = re.compile(r" (?=[a-z][a-z_]*=)")
_HIDDEN: Final = ("_ns", "_id", "build", "config_hash", "owners", "owner")
_KINDS: Final = {"open": "opening", "close": "closing", "resize": "resizing"}


def note_text(note: str) -> str:
    """A note as the engine keeps it (`<ns> <name> key=value ...`) as `12:00:05 funding +3.10 USD, BTC bybit perp`."""
    at_ns, _, rest = note.partition(" ")
    name, _, tail = rest.partition(" ")
    if not (at_ns.isdigit() and name):
        return note
    keys = dict(part.partition("=")[::2] for part in _SPLIT.split(tail) if "=" in part)
    sentence = _SENTENCES.get(name)
    if sentence is not None:
        with contextlib.suppress(KeyError, InvalidOperation):  # written by another version, with other keys
            return f"{clock(int(at_ns))} {sentence(keys)}"
    return f"{clock(int(at_ns))} {words(name)}  {_plain(keys)}".rstrip()


def leg_name(instrument: str) -> str:
    """Coin, venue and kind of `binance:BTC/USDT:USDT`: `BTC binance perp`."""
    venue, _, symbol = instrument.partition(":")
    coin = symbol.partition("/")[0]
    return f"{coin} {venue} {'perp' if ':' in symbol else 'spot'}".strip()


def _plain(keys: Keys) -> str:
    return " ".join(f"{key}={value}" for key, value in keys.items() if not key.endswith(_HIDDEN) and value)


def _funding(keys: Keys) -> str:
    return f"funding {usd(keys['amount_usd'], signed=True)} USD, {leg_name(keys['instrument'])}"


def _fill(keys: Keys) -> str:
    done = "bought" if keys["side"] == "buy" else "sold"
    return f"{done} {base_quantity(keys['quantity_base'])} {leg_name(keys['instrument'])} at {keys['price']}"


def _forced(keys: Keys) -> str:
    return (f"{keys['cause'].upper()}: the venue closed {base_quantity(keys['quantity_base'])} "
            f"{leg_name(keys['instrument'])} at {keys['price']}")


def _opened(keys: Keys) -> str:
    return f"PAIR OPENED {_pair(keys)}, {usd(keys['notional_usd'], places=0)} USD a leg"


def _hedged(keys: Keys) -> str:
    return f"pair hedged {_pair(keys)}, {usd(keys['notional_usd'], places=0)} USD a leg"


def _closed(keys: Keys) -> str:
    return (f"PAIR CLOSED {_pair(keys)}: net {usd(keys['net_usd'], signed=True)} USD, funding "
            f"{usd(keys['funding_usd'], signed=True)}, fees {usd(keys['fees_usd'], signed=True)} "
            f"({words(keys['exit_reason'])})")


def _pair(keys: Keys) -> str:
    coin, _, long_leg = leg_name(keys["long_leg"]).partition(" ")
    return f"{coin}: long {long_leg}, short {leg_name(keys['short_leg']).partition(' ')[2]}"


def _started(keys: Keys) -> str:
    why = f" ({words(keys['reason'])})" if keys.get("reason") else ""
    slices = "1 slice" if keys["slices"] == "1" else f"{keys['slices']} slices"
    return f"{_kind(keys)}, {base_quantity(keys['held_base'])} to {base_quantity(keys['target_base'])} in {slices}{why}"


def _done(keys: Keys) -> str:
    return f"{_kind(keys)} done, {base_quantity(keys['held_base'])} held on both legs"


def _kind(keys: Keys) -> str:
    coin = keys["pair_id"].split("-")[1] if keys["pair_id"].count("-") == 2 else keys["pair_id"]
    return f"{coin} {_KINDS.get(keys['kind'], words(keys['kind']))}"


def _unhedged(keys: Keys) -> str:
    seconds = float(keys["seconds"])
    long = f"{seconds:.2f} s" if seconds < 10 else duration(seconds)
    size = f", at most {Decimal(keys['notional_pct']):.2f}% of equity" if "notional_pct" in keys else ""
    return f"one leg ahead for {long}{size}"


def _hedge_started(keys: Keys) -> str:
    return (f"hedge {leg_name(keys['instrument'])}: {base_quantity(keys['held_base'])} to "
            f"{base_quantity(keys['target_base'])} ({words(keys['reason'])})")


def _hedge_done(keys: Keys) -> str:
    return f"hedge holds {base_quantity(keys['held_base'])} {leg_name(keys['instrument'])}"


def _hedge_planned(keys: Keys) -> str:
    return (f"beta {keys['beta'] or 'unknown'} of {keys['target']} +- {keys['band']}: hedge "
            f"{usd(keys['wanted_usd'], signed=True, places=0)} USD ({words(keys['reason'])})")


def _cut(keys: Keys) -> str:
    return (f"cut by {words(keys['limit'])}: {keys['pair']} {usd(keys['before_usd'], places=0)} to "
            f"{usd(keys['after_usd'], places=0)} USD")


def _dust(keys: Keys) -> str:
    return f"dust set aside: {base_quantity(keys['quantity_base'])} {leg_name(keys['instrument'])}"


def _flat(keys: Keys) -> str:
    return f"KILL VERIFIED: the venues show flat ({keys['venues'].replace(',', ', ')})"


def _reconciled(keys: Keys) -> str:
    return f"books agree with {keys['venue']}"


def _cash(keys: Keys) -> str:
    return f"{usd(keys['amount_usd'], signed=True)} USD, {keys['venue']} {keys['wallet']} wallet"


def _day(keys: Keys) -> str:
    return f"day closed, equity {usd(keys['equity_usd'])} USD"


def _session(keys: Keys) -> str:
    goes_on = ", going on" if keys.get("resumed") == "True" else ""
    return f"session {keys['epoch']} of {keys['kind']}/{keys['account']}{goes_on}"


def _mode(keys: Keys) -> str:
    why = words(keys["reason"]) if keys.get("reason") else f"lifted: {words(keys.get('lifted', '')) or 'nothing'}"
    return f"mode {keys['mode']} ({why})"


def _control(keys: Keys) -> str:
    return f"operator: {words(keys['action'])}{' - ' + keys['reason'] if keys.get('reason') else ''}"


_SENTENCES: Final[Mapping[str, Callable[[Keys], str]]] = {
    "funding_booked": _funding, "fill_booked": _fill, "forced_fill": _forced, "pair_opened": _opened,
    "pair_hedged": _hedged, "pair_closed": _closed, "parent_started": _started, "parent_done": _done,
    "unhedged": _unhedged, "venue_reconciled": _reconciled, "cash_moved": _cash, "day_closed": _day,
    "dust_parked": _dust, "kill_verified_flat": _flat, "session_started": _session, "mode_changed": _mode,
    "control": _control, "hedge_started": _hedge_started, "hedge_done": _hedge_done, "hedge_planned": _hedge_planned,
    "governor_cut": _cut, "size_capped": _cut,
}

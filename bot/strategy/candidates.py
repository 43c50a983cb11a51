"""Which pairs could be held at all, from the instruments alone. Computed once, and again when instruments change."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations

from bot.domain.instrument import Instrument
from bot.domain.values import Coin
from bot.strategy.verdict import Candidate, PairKind, RateCap


def enumerate_pairs(instruments: Iterable[Instrument]) -> tuple[Candidate, ...]:
    """Every pair of one coin: spot and perp of one venue, and perps of two venues in both directions; sorted by key.

    The reverse of spot and perp is listed and blocked: there is no borrow series (`borrow_unknown`). Legs whose symbols
    name another thing than the coin (wrapped, staked, 1000-fold) are listed and blocked (`underlying_differs`).
    """
    by_coin: dict[Coin, list[Instrument]] = {}
    for instrument in sorted(instruments, key=lambda each: each.id):
        by_coin.setdefault(instrument.coin, []).append(instrument)
    found: list[Candidate] = []
    for same_coin in by_coin.values():
        perps = [each for each in same_coin if each.is_perp]
        spots = [each for each in same_coin if not each.is_perp]
        for spot in spots:
            for perp in perps:
                if spot.venue == perp.venue:
                    found.append(_candidate(PairKind.SPOT_PERP, spot, perp))
                    found.append(_candidate(PairKind.REVERSE, perp, spot, "borrow_unknown"))
        for long_perp, short_perp in permutations(perps, 2):
            if long_perp.venue != short_perp.venue:
                found.append(_candidate(PairKind.PERP_PERP, long_perp, short_perp))
    return tuple(sorted(found, key=lambda each: each.key))


def _candidate(kind: PairKind, long_leg: Instrument, short_leg: Instrument, blocked: str = "") -> Candidate:
    if not (_is_the_coin(long_leg) and _is_the_coin(short_leg)):
        blocked = "underlying_differs"
    return Candidate(
        kind=kind,
        coin=long_leg.coin,
        long_leg=long_leg.id,
        short_leg=short_leg.id,
        long_venue=long_leg.venue,
        short_venue=short_leg.venue,
        blocked=blocked,
        long_cap=_cap(long_leg),
        short_cap=_cap(short_leg),
        perp_legs=2 if kind is PairKind.PERP_PERP else 1,
        key=f"{long_leg.id}|{short_leg.id}",
    )


def _is_the_coin(instrument: Instrument) -> bool:
    return instrument.symbol.partition("/")[0] == instrument.coin


def _cap(instrument: Instrument) -> RateCap | None:
    rule = instrument.funding
    return None if rule is None else RateCap(rate=float(rule.cap), per_8h=rule.cap_before_division)

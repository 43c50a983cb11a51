"""Which pairs exist at all."""

from __future__ import annotations

from bot.strategy.candidates import enumerate_pairs
from bot.strategy.verdict import PairKind
from tests.unit.strategy.worked_pair import instrument

ALPHA = (instrument("alpha", "BTC/USDT"), instrument("alpha", "BTC/USDT:USDT"))
BETA = instrument("beta", "BTC/USDC:USDC", cap="0.04")


def test_spot_and_perp_of_one_venue_and_perps_of_two() -> None:
    """One spot, two perps: carry, its blocked reverse, and both directions across venues."""
    found = [(each.kind, each.long_leg, each.short_leg, each.blocked) for each in enumerate_pairs((*ALPHA, BETA))]
    assert found == [
        (PairKind.REVERSE, "alpha:BTC/USDT:USDT", "alpha:BTC/USDT", "borrow_unknown"),
        (PairKind.PERP_PERP, "alpha:BTC/USDT:USDT", "beta:BTC/USDC:USDC", ""),
        (PairKind.SPOT_PERP, "alpha:BTC/USDT", "alpha:BTC/USDT:USDT", ""),
        (PairKind.PERP_PERP, "beta:BTC/USDC:USDC", "alpha:BTC/USDT:USDT", ""),
    ]
    assert not [each for each in found if each[0] is PairKind.REVERSE and not each[3]]


def test_order_of_instruments_does_not_matter() -> None:
    """The list is a function of the set."""
    assert enumerate_pairs((*ALPHA, BETA)) == enumerate_pairs((BETA, *reversed(ALPHA)))


def test_coins_do_not_mix() -> None:
    """BTC spot does not hedge an ETH perp."""
    assert enumerate_pairs((ALPHA[0], instrument("alpha", "ETH/USDT:USDT", "ETH"))) == ()


def test_two_perps_of_one_venue_are_no_pair() -> None:
    """USDT and USDC perps of one venue share its risk and its funding rule."""
    assert enumerate_pairs((ALPHA[1], instrument("alpha", "BTC/USDC:USDC"))) == ()


def test_wrapped_coin_is_listed_and_blocked() -> None:
    """UBTC is not BTC."""
    found = enumerate_pairs((instrument("beta", "UBTC/USDC"), BETA))
    assert {each.blocked for each in found} == {"underlying_differs"}


def test_caps_come_from_the_funding_rule() -> None:
    """A rate is at its cap by the rule of its own venue; a spot leg has none."""
    carry = next(each for each in enumerate_pairs(ALPHA) if each.kind is PairKind.SPOT_PERP)
    assert carry.long_cap is None
    assert carry.short_cap is not None
    assert carry.short_cap.reached(-0.003, 8, 0.95)
    assert not carry.short_cap.reached(0.0028, 8, 0.95)

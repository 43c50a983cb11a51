"""Who gets how much: caps, rank, and no churn."""

from __future__ import annotations

import msgspec
import pytest

from bot.domain.values import Venue
from bot.strategy.allocation import Book, allocate, notional_for_capital, wallet_shares
from bot.strategy.params import CarryParams
from bot.strategy.verdict import Action, Candidate, PairKind, Verdict
from tests.unit.strategy.worked_pair import candidate

PARAMS = CarryParams()
CAPITAL = 1 + 1 / 3 + 0.1
COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE")


def verdict(pair: Candidate, rank: float = 1.0, action: Action = Action.OPEN, **more: object) -> Verdict:
    """A judged candidate."""
    found = Verdict(candidate=pair, action=action, reason="carry_clears_costs", net_bps=50.0, rank=rank,
                    capital_per_notional=CAPITAL)
    return msgspec.structs.replace(found, **more)


def book(equity_usd: float = 10_000.0, held: dict[str, float] | None = None, smallest_usd: float = 60.0,
         venues: dict[str, float] | None = None, largest_usd: float = 1e12) -> Book:
    """An account at one venue, or at those given."""
    pairs = [candidate(kind, coin) for coin in COINS for kind in (PairKind.SPOT_PERP, PairKind.PERP_PERP)]
    return Book(
        equity_usd=equity_usd,
        venue_equity_usd={Venue(name): usd for name, usd in (venues or {"alpha": equity_usd}).items()},
        held_usd=held or {},
        smallest_usd={each.key: smallest_usd for each in pairs},
        largest_usd={each.key: largest_usd for each in pairs},
    )


def test_worked_capital() -> None:
    """3,500 USD at L = 3 and rho = 0.1 carry 2,442 USD (quant reference 3.4)."""
    assert round(notional_for_capital(3_500.0, PARAMS.capital_per_notional(1))) == 2_442


def test_wallets_of_each_kind() -> None:
    """Spot cash and collateral per unit of notional; two perps split the reserve."""
    assert wallet_shares(candidate(), PARAMS) == ((Venue("alpha"), 1.0, 1 / 3 + 0.1),)
    each = 1 / 3 + 0.05
    assert wallet_shares(candidate(PairKind.PERP_PERP), PARAMS) == (
        (Venue("alpha"), 0.0, each), (Venue("beta"), 0.0, each),
    )


def test_one_coin_binds_at_most_its_share() -> None:
    """40 % of the equity, in capital, and the cap is named."""
    found = allocate([verdict(candidate())], book(), PARAMS)
    assert found.targets[0].notional_usd * CAPITAL == pytest.approx(4_000.0)
    assert found.binding == (f"coin_share:{candidate().key}",)


def test_better_rank_is_served_first_and_equity_is_never_exceeded() -> None:
    """Two coins get their share, the third what is left of 98 %."""
    ranked = [verdict(candidate(coin=coin), rank) for coin, rank in (("BTC", 1.0), ("ETH", 3.0), ("SOL", 2.0))]
    found = allocate(ranked, book(), PARAMS)
    assert [each.candidate.coin for each in found.targets] == ["ETH", "SOL", "BTC"]
    assert [each.notional_usd * CAPITAL for each in found.targets] == pytest.approx([4_000.0, 4_000.0, 1_800.0])


def test_order_of_verdicts_does_not_matter() -> None:
    """Equal ranks are broken by key."""
    equal = [verdict(candidate(coin=coin)) for coin in COINS]
    assert allocate(equal, book(), PARAMS) == allocate(equal[::-1], book(), PARAMS)


def test_two_pairs_of_a_coin_share_its_cap() -> None:
    """Carry and cross-venue BTC together stay under 40 %."""
    venues = {"alpha": 5_000.0, "beta": 5_000.0}
    both = [verdict(candidate(), 2.0), verdict(candidate(PairKind.PERP_PERP), 1.0)]
    found = allocate(both, book(venues=venues), PARAMS)
    assert [each.candidate.kind for each in found.targets] == [PairKind.SPOT_PERP]
    assert found.passed[0].reason == "coin_share"


def test_venue_share_binds_with_two_venues() -> None:
    """Half of the equity at one venue once two are configured."""
    wide = CarryParams(coin_share_max=1.0)
    found = allocate([verdict(candidate())], book(venues={"alpha": 9_000.0, "beta": 1_000.0}), wide)
    assert found.targets[0].notional_usd * CAPITAL == pytest.approx(5_000.0)
    assert found.binding[0].startswith("venue_share:")


def test_a_venue_carries_no_more_than_lies_there() -> None:
    """Cash at another venue is no margin here."""
    found = allocate([verdict(candidate())], book(venues={"alpha": 1_000.0, "beta": 9_000.0}), PARAMS)
    assert found.targets[0].notional_usd * CAPITAL == pytest.approx(980.0)
    assert found.binding[0].startswith("venue_funds:")


def test_most_pairs() -> None:
    """The fifth pair waits."""
    params = CarryParams(coin_share_max=0.1)
    found = allocate([verdict(candidate(coin=coin)) for coin in COINS], book(), params)
    assert len(found.targets) == 4
    assert [each.reason for each in found.passed] == ["pairs_max"]


def test_below_the_minimum_nothing_is_opened() -> None:
    """100 USD carry 28 USD of one coin: less than the venue takes."""
    assert allocate([verdict(candidate())], book(100.0), PARAMS).passed[0].reason == "below_minimum"


def test_unknown_minimum_opens_nothing() -> None:
    """Without lot and price no size can be promised."""
    found = allocate([verdict(candidate())], msgspec.structs.replace(book(), smallest_usd={}), PARAMS)
    assert (found.targets, found.passed[0].reason) == ((), "minimum_unknown")


def test_close_goes_to_zero_and_frees_nothing_yet() -> None:
    """The capital of a closing pair comes back only when it is flat."""
    closing = verdict(candidate(coin="ETH"), action=Action.CLOSE, reason="carry_gone")
    found = allocate([closing, verdict(candidate())], book(held={closing.candidate.key: 6_000.0}), PARAMS)
    assert (found.targets[0].notional_usd, found.targets[0].action) == (0.0, Action.CLOSE)
    assert found.targets[1].notional_usd * CAPITAL == pytest.approx(9_800.0 - 6_000.0 * CAPITAL)


def test_small_deviations_are_left_alone() -> None:
    """A held pair 15 % under its cap is not resized."""
    size = 4_000.0 / CAPITAL * 0.87
    holding = verdict(candidate(), action=Action.HOLD, reason="carry_holds", may_grow=True)
    found = allocate([holding], book(held={holding.candidate.key: size}), PARAMS)
    assert (found.targets[0].notional_usd, found.targets[0].resized) == (size, False)


@pytest.mark.parametrize("may_grow", [True, False])
def test_growth_needs_a_verdict_that_it_pays(may_grow: bool) -> None:
    """Half of its cap: grown only where an addition clears its own costs."""
    holding = verdict(candidate(), action=Action.HOLD, reason="carry_holds", may_grow=may_grow)
    target = allocate([holding], book(held={holding.candidate.key: 1_400.0}), PARAMS).targets[0]
    assert target.resized is may_grow
    assert target.notional_usd * CAPITAL == pytest.approx(4_000.0 if may_grow else 1_400.0 * CAPITAL)


def test_far_over_its_cap_a_pair_shrinks_to_it() -> None:
    """After a loss elsewhere the pair is cut back, both legs alike, and the cut says what was held and allowed."""
    holding = verdict(candidate(), action=Action.HOLD, reason="carry_holds")
    found = allocate([holding], book(held={holding.candidate.key: 5_000.0}), PARAMS)
    target = found.targets[0]
    assert (target.reason, target.resized) == ("coin_share", True)
    assert target.notional_usd * CAPITAL == pytest.approx(4_000.0)
    cut = found.cuts[0]
    assert (cut.limit, cut.pair, cut.value_usd) == ("coin_share", holding.candidate.key, 5_000.0)
    assert cut.allowed_usd == cut.after_usd == pytest.approx(4_000.0 / CAPITAL)


def test_what_a_cap_leaves_as_a_crumb_is_a_cut_to_nothing() -> None:
    """The drawdown ladder leaves nothing: the pair closes, and the cut says so."""
    holding = verdict(candidate(), action=Action.HOLD, reason="carry_holds")
    found = allocate([holding], msgspec.structs.replace(book(held={holding.candidate.key: 2_000.0}), capital_scale=0.0),
                     PARAMS)
    assert (found.targets[0].action, found.cuts[0].limit, found.cuts[0].after_usd) == (Action.CLOSE, "drawdown", 0.0)
    assert found.cuts[0].allowed_usd == pytest.approx(0.0)


def test_growth_is_no_cut() -> None:
    """What a cap lets grow is not told as cut by it."""
    holding = verdict(candidate(), action=Action.HOLD, reason="carry_holds", may_grow=True)
    found = allocate([holding], book(held={holding.candidate.key: 1_400.0}), PARAMS)
    assert found.targets[0].resized
    assert found.cuts == ()


@pytest.mark.parametrize("reason", ["leg_halted", "data_missing", "in_motion"])
def test_pair_that_cannot_be_judged_is_not_resized(reason: str) -> None:
    """What cannot be traded, or is being traded already, keeps its size."""
    holding = verdict(candidate(), action=Action.HOLD, reason=reason)
    assert not allocate([holding], book(held={holding.candidate.key: 5_000.0}), PARAMS).targets[0].resized


def test_held_is_not_displaced_by_a_better_newcomer() -> None:
    """A newcomer takes what is left; eight fills would not pay."""
    holding = verdict(candidate(coin="ETH"), 0.1, Action.HOLD, reason="carry_holds")
    found = allocate([verdict(candidate(), 99.0), holding], book(held={holding.candidate.key: 2_700.0}), PARAMS)
    assert found.targets[0].notional_usd == 2_700.0


def test_no_equity_no_pairs() -> None:
    """A wiped-out account opens nothing."""
    assert allocate([verdict(candidate())], book(-5.0), PARAMS).targets == ()


def test_visible_depth_caps_what_is_opened_and_the_whole_of_what_is_held() -> None:
    """A pair must be able to leave through the book it entered by."""
    opened = allocate([verdict(candidate())], book(largest_usd=1_000.0), PARAMS).targets
    assert opened[0].notional_usd == 1_000.0
    held = verdict(candidate(), action=Action.HOLD, may_grow=True)
    kept = allocate([held], book(held={candidate().key: 900.0}, largest_usd=1_000.0), PARAMS).targets
    assert kept[0].notional_usd == 900.0


def test_crumbs_are_not_opened() -> None:
    """Below its least share of equity a pair is not worth its orders."""
    found = allocate([verdict(candidate())], book(largest_usd=100.0), PARAMS)
    assert found.targets == ()
    assert found.passed[0].reason == "depth"

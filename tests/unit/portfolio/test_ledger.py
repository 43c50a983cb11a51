"""The ledger, one promise at a time."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bot.domain.commands import Transfer
from bot.domain.errors import Unavailable
from bot.domain.events import CashMoved, TransferEnded
from bot.domain.values import DUST, OVERLAY, ZERO, Coin, Nanos, Owner, Side, Venue, Wallet
from bot.portfolio.attribution import Attribution, Sleeve
from bot.portfolio.ledger import Ledger
from bot.portfolio.ledger_state import LedgerState
from bot.portfolio.splits import OwnerShare
from tests.unit.portfolio.samples import PERP, PERP_B, SPOT, fill, forced, instrument, paid

PAIR = Owner("pair-1")
OTHER = Owner("pair-2")
BINANCE, BYBIT = Venue("binance"), Venue("bybit")


def test_worked_example_of_the_reference_is_basis_and_nothing_else() -> None:
    """Two spot at 100 against two perps at 101, closed at 110 and 110.2, earn 1.6 basis and no price."""
    ledger = Ledger()
    ledger.revalue(SPOT.id, Decimal(100))
    ledger.revalue(PERP.id, Decimal("100.9"))
    ledger.apply_fill(fill(SPOT, "1", Side.BUY, "2", "100"), PAIR, SPOT, Decimal(100))
    ledger.apply_fill(fill(PERP, "1", Side.SELL, "2", "101"), PAIR, PERP, Decimal(101))
    ledger.revalue(SPOT.id, Decimal(110))
    ledger.revalue(PERP.id, Decimal("110.3"))
    ledger.apply_fill(fill(SPOT, "2", Side.SELL, "2", "110"), PAIR, SPOT, Decimal(110))
    ledger.apply_fill(fill(PERP, "2", Side.BUY, "2", "110.2"), PAIR, PERP, Decimal("110.2"))
    assert ledger.attribution() == Attribution(basis=Decimal("1.6"))
    assert ledger.equity_usd() == Decimal("1.6")


def test_unhedged_part_of_a_leg_earns_price() -> None:
    """Three spot against two perps: a rise of 10 is basis on two and price on the third."""
    ledger = Ledger()
    ledger.apply_fill(fill(SPOT, "1", Side.BUY, "3", "100"), PAIR, SPOT, None)
    ledger.apply_fill(fill(PERP, "1", Side.SELL, "2", "100"), PAIR, PERP, None)
    ledger.revalue(SPOT.id, Decimal(110))
    assert ledger.attribution(PAIR) == Attribution(basis=Decimal(20), price=Decimal(10))
    ledger.revalue(PERP.id, Decimal(111))
    assert ledger.attribution(PAIR) == Attribution(basis=Decimal(-2), price=Decimal(10))


def test_legs_on_the_same_side_earn_price() -> None:
    """A pair whose legs are both long is not hedged, whatever it is called."""
    ledger = Ledger()
    ledger.apply_fill(fill(SPOT, "1", Side.BUY, "1", "100"), PAIR, SPOT, None)
    ledger.apply_fill(fill(PERP, "1", Side.BUY, "1", "100"), PAIR, PERP, None)
    ledger.revalue(SPOT.id, Decimal(110))
    assert ledger.attribution(PAIR) == Attribution(price=Decimal(10))


def test_overlay_beside_a_pair_earns_price() -> None:
    """The same instrument held by the overlay earns price while the pair earns basis."""
    ledger = Ledger()
    ledger.apply_fill(fill(SPOT, "1", Side.BUY, "1", "100"), PAIR, SPOT, None)
    ledger.apply_fill(fill(PERP, "1", Side.SELL, "1", "100"), PAIR, PERP, None)
    ledger.apply_fill(fill(PERP, "2", Side.BUY, "5", "100"), OVERLAY, PERP, None)
    ledger.revalue(PERP.id, Decimal(101))
    assert ledger.attribution(PAIR) == Attribution(basis=Decimal(-1))
    assert ledger.attribution_of_sleeve(Sleeve.OVERLAY) == Attribution(price=Decimal(5))
    assert ledger.net(PERP.id) == Decimal(4)
    assert ledger.owners(PERP.id) == ((PAIR, Decimal(-1)), (OVERLAY, Decimal(5)))


def test_trade_is_split_into_slippage_and_basis() -> None:
    """Bought at 101 with mid 100.5 and V 100: half a dollar of slippage, half of basis."""
    ledger = Ledger()
    ledger.revalue(SPOT.id, Decimal(100))
    ledger.apply_fill(fill(SPOT, "1", Side.BUY, "1", "101"), PAIR, SPOT, Decimal("100.5"))
    assert ledger.attribution(PAIR) == Attribution(slippage=Decimal("-0.5"), basis=Decimal("-0.5"))


def test_unknown_mid_claims_no_slippage() -> None:
    """Without a mid the whole distance to V is price for the overlay."""
    ledger = Ledger()
    ledger.revalue(PERP.id, Decimal(100))
    ledger.apply_fill(fill(PERP, "1", Side.BUY, "1", "101"), OVERLAY, PERP, None)
    assert ledger.attribution() == Attribution(price=Decimal(-1))


def test_fee_in_coin_reduces_the_quantity_and_costs_its_value() -> None:
    """A fee of 0.001 coin at V 200 is 0.2 USD of fees, and the coins are gone."""
    ledger = Ledger()
    ledger.revalue(SPOT.id, Decimal(200))
    ledger.apply_fill(fill(SPOT, "1", Side.BUY, "1", "200", "0.001", fee_in_base=True), PAIR, SPOT, Decimal(200))
    assert ledger.quantity(SPOT.id, PAIR) == Decimal("0.999")
    assert ledger.coins(BINANCE) == ((Coin("BTC"), Decimal("0.999")),)
    assert ledger.attribution() == Attribution(fees=Decimal("-0.2"))
    assert ledger.wallets(BINANCE).spot_usd == Decimal(-200)


def test_fill_is_booked_once() -> None:
    """The second report of a trade id changes nothing."""
    ledger = Ledger()
    trade = fill(PERP, "1", Side.BUY, "1", "100", "0.05")
    assert ledger.apply_fill(trade, OVERLAY, PERP, None)
    before = msgspec.msgpack.encode(ledger.state)
    assert not ledger.apply_fill(trade, OVERLAY, PERP, None)
    assert msgspec.msgpack.encode(ledger.state) == before


def test_same_trade_id_of_another_instrument_is_another_trade() -> None:
    """Trade ids are unique per instrument only."""
    ledger = Ledger()
    assert ledger.apply_fill(fill(PERP, "1", Side.BUY, "1", "100"), OVERLAY, PERP, None)
    assert ledger.apply_fill(fill(PERP_B, "1", Side.BUY, "1", "100"), OVERLAY, PERP_B, None)


def test_perp_realises_on_the_venues_net_not_on_the_owners() -> None:
    """An owner that closes while another holds the other side moves the wallet by the net's cost."""
    ledger = Ledger()
    ledger.apply_fill(fill(PERP, "1", Side.BUY, "2", "100"), OVERLAY, PERP, None)
    ledger.apply_fill(fill(PERP, "2", Side.SELL, "1", "110"), PAIR, PERP, None)
    assert ledger.wallets(BINANCE).futures_usd == Decimal(10)
    assert [(row.quantity, row.cost_usd) for row in ledger.venue_nets(BINANCE)] == [(Decimal(1), Decimal(100))]
    assert ledger.quantity(PERP.id, OVERLAY) == Decimal(2)
    assert ledger.equity_usd() == ledger.attribution().total == Decimal(10)


def test_forced_fill_is_split_by_quantity_over_the_side_that_was_closed() -> None:
    """Liquidating 8 of 3, 3 and 3 lots long takes whole lots, never more than an owner has, and spares the short."""
    ledger = Ledger()
    owners = [Owner("pair-a"), Owner("pair-b"), Owner("pair-c")]
    for number, owner in enumerate(owners):
        ledger.apply_fill(fill(PERP, f"{number}", Side.BUY, "0.003", "100"), owner, PERP, None)
    ledger.apply_fill(fill(PERP, "9", Side.SELL, "0.001", "100"), OVERLAY, PERP, None)
    split = ledger.apply_forced_fill(forced(PERP, "x", Side.SELL, "0.008", "90", "0.00000010"), PERP, None)
    assert split == tuple(
        OwnerShare(owner, Decimal(quantity))
        for owner, quantity in zip(owners, ("-0.003", "-0.003", "-0.002"), strict=True)
    )
    assert ledger.net(PERP.id) == sum((quantity for _, quantity in ledger.owners(PERP.id)), ZERO) == ZERO
    assert ledger.attribution().fees == Decimal("-0.00000010")
    assert ledger.apply_forced_fill(forced(PERP, "x", Side.SELL, "0.008", "90"), PERP, None) == ()


def test_forced_fill_of_what_nobody_holds_goes_to_dust() -> None:
    """The venue is right about what it closed, even if the ledger did not know it."""
    ledger = Ledger()
    split = ledger.apply_forced_fill(forced(PERP, "x", Side.SELL, "1", "90"), PERP, None)
    assert split == (OwnerShare(DUST, Decimal(-1)),)
    assert ledger.net(PERP.id) == ledger.quantity(PERP.id, DUST) == Decimal(-1)


def test_funding_is_split_by_quantity_at_settlement() -> None:
    """A pair that has closed since still gets its share, and the shares sum to the payment."""
    ledger = Ledger()
    ledger.apply_fill(fill(PERP, "1", Side.SELL, "2", "100"), PAIR, PERP, None)
    ledger.apply_fill(fill(PERP, "2", Side.SELL, "1", "100"), OTHER, PERP, None)
    ledger.note_settlement(PERP.id, Nanos(8))
    ledger.apply_fill(fill(PERP, "3", Side.BUY, "2", "100"), PAIR, PERP, None)
    assert ledger.pending_settlements() == ((PERP.id, 8),)
    shares = ledger.apply_funding(paid(PERP, 8, "0.03000001", "-3", "100", "0.0001"), PERP)
    assert shares == (OwnerShare(PAIR, Decimal("0.02000001")), OwnerShare(OTHER, Decimal("0.01")))
    assert ledger.attribution(PAIR).funding == Decimal("0.02000001")
    assert ledger.attribution().funding == ledger.wallets(BINANCE).futures_usd == Decimal("0.03000001")
    assert ledger.pending_settlements() == ()


def test_owners_pay_each_other_when_the_venues_net_is_zero() -> None:
    """A payment of zero is divided into a gain and an equal loss."""
    ledger = Ledger()
    ledger.apply_fill(fill(PERP, "1", Side.SELL, "2", "100"), PAIR, PERP, None)
    ledger.apply_fill(fill(PERP, "2", Side.BUY, "2", "100"), OVERLAY, PERP, None)
    ledger.note_settlement(PERP.id, Nanos(8))
    shares = ledger.apply_funding(paid(PERP, 8, "0", "0", "100", "0.0001"), PERP)
    assert shares == (OwnerShare(PAIR, Decimal("0.02")), OwnerShare(OVERLAY, Decimal("-0.02")))


def test_owners_settle_among_themselves_where_the_venue_pays_nothing() -> None:
    """With a net of zero no payment comes: the owners' gain and loss are booked once, and cash does not move."""
    ledger = Ledger()
    ledger.apply_fill(fill(PERP, "1", Side.SELL, "2", "100"), PAIR, PERP, None)
    ledger.apply_fill(fill(PERP, "2", Side.BUY, "2", "100"), OVERLAY, PERP, None)
    ledger.note_settlement(PERP.id, Nanos(8))
    shares = ledger.settle_among_owners(PERP.id, Nanos(8), Decimal(100), Decimal("0.0001"))
    assert shares == (OwnerShare(PAIR, Decimal("0.02")), OwnerShare(OVERLAY, Decimal("-0.02")))
    assert ledger.settle_among_owners(PERP.id, Nanos(8), Decimal(100), Decimal("0.0001")) == ()
    assert ledger.pending_settlements() == ()
    assert ledger.attribution().total == ledger.equity_usd() == ZERO


def test_owners_wait_for_the_venue_where_it_has_something_to_pay() -> None:
    """A net that is not zero is the venue's to settle; a settlement nobody noted is nobody's."""
    ledger = Ledger()
    ledger.apply_fill(fill(PERP, "1", Side.SELL, "2", "100"), PAIR, PERP, None)
    ledger.note_settlement(PERP.id, Nanos(8))
    for settled_ns in (8, 16):
        assert ledger.settle_among_owners(PERP.id, Nanos(settled_ns), Decimal(100), Decimal("0.0001")) == ()
    assert ledger.pending_settlements() == ((PERP.id, 8),)


def test_funding_is_booked_once_per_settlement() -> None:
    """The same settlement reported again, even much later, is ignored, and noting it again leaves nothing pending."""
    ledger = Ledger()
    ledger.apply_fill(fill(PERP, "1", Side.SELL, "2", "100"), PAIR, PERP, None)
    for settled_ns in (8, 16, 24, 48):
        ledger.note_settlement(PERP.id, Nanos(settled_ns))
        assert ledger.apply_funding(paid(PERP, settled_ns, "1", "-2", "100", "0.005"), PERP)
    assert ledger.apply_funding(paid(PERP, 16, "1", "-2", "100", "0.005"), PERP) == ()
    ledger.note_settlement(PERP.id, Nanos(16))
    assert ledger.pending_settlements() == ()
    assert ledger.attribution(PAIR).funding == Decimal(4)


def test_funding_on_what_nobody_held_belongs_to_the_account() -> None:
    """It is booked, it shows in the total, and no owner is credited."""
    ledger = Ledger()
    assert ledger.apply_funding(paid(PERP, 8, "1", "-2", "100", "0.005"), PERP) == ()
    assert ledger.attribution_of_sleeve(Sleeve.ACCOUNT).funding == ledger.attribution().total == Decimal(1)


def test_forgotten_settlement_is_no_longer_pending() -> None:
    """A settlement that the venue has proved unpaid stops waiting."""
    ledger = Ledger()
    ledger.apply_fill(fill(PERP, "1", Side.SELL, "2", "100"), PAIR, PERP, None)
    ledger.note_settlement(PERP.id, Nanos(8))
    ledger.forget_settlement(PERP.id, Nanos(8))
    assert ledger.pending_settlements() == ()


def test_deposit_is_no_profit_and_is_booked_once() -> None:
    """Equity rises by the deposit, P&L by nothing; its reference counts once per venue."""
    ledger = Ledger()
    deposit = CashMoved(Nanos(1), BINANCE, Wallet.SPOT, Decimal(1000), "start")
    assert ledger.apply_cash(deposit)
    assert not ledger.apply_cash(deposit)
    assert ledger.apply_cash(CashMoved(Nanos(1), BYBIT, Wallet.FUTURES, Decimal(500), "start"))
    assert ledger.equity_usd() == Decimal(1500)
    assert ledger.equity_usd(BINANCE) == Decimal(1000)
    assert ledger.attribution().total == ledger.check(Decimal(1500)) == ZERO


def test_cash_in_transit_is_still_ours() -> None:
    """Between begin and end a transfer is in neither wallet and yet in equity; only its fee is lost."""
    ledger = Ledger()
    ledger.apply_cash(CashMoved(Nanos(1), BINANCE, Wallet.SPOT, Decimal(1000), "start"))
    transfer = Transfer("t", BINANCE, Wallet.SPOT, BYBIT, Wallet.FUTURES, Decimal(400))
    assert ledger.begin_transfer(transfer)
    assert not ledger.begin_transfer(transfer)
    assert (ledger.equity_usd(BINANCE), ledger.in_transit_usd()) == (Decimal(600), Decimal(400))
    assert ledger.equity_usd() == Decimal(1000)
    ended = TransferEnded(Nanos(2), BYBIT, "t", True, Decimal(1))
    assert ledger.end_transfer(ended)
    assert not ledger.end_transfer(ended)
    assert ledger.wallets(BYBIT).futures_usd == Decimal(399)
    assert ledger.attribution() == Attribution(fees=Decimal(-1))


def test_failed_transfer_comes_back() -> None:
    """A transfer that did not arrive is in the wallet it left."""
    ledger = Ledger()
    ledger.begin_transfer(Transfer("t", BINANCE, Wallet.SPOT, BYBIT, Wallet.FUTURES, Decimal(400)))
    ledger.end_transfer(TransferEnded(Nanos(2), BINANCE, "t", False, ZERO, "rejected"))
    assert ledger.equity_usd(BINANCE) == ledger.equity_usd(BYBIT) == ZERO


def test_residual_shows_what_the_attribution_does_not_explain() -> None:
    """A venue that has a cent less than we think is a residual of a cent."""
    ledger = Ledger()
    ledger.apply_cash(CashMoved(Nanos(1), BINANCE, Wallet.SPOT, Decimal(1000), "start"))
    assert ledger.check(Decimal("999.99")) == Decimal("-0.01")


def test_parking_dust_earns_nobody_anything() -> None:
    """What a pair cannot close moves to dust at V; parts stay, the pair is flat."""
    ledger = Ledger()
    ledger.apply_fill(fill(SPOT, "1", Side.BUY, "1", "100"), PAIR, SPOT, None)
    ledger.revalue(SPOT.id, Decimal(110))
    before = ledger.attribution(PAIR)
    ledger.move_owner(SPOT.id, PAIR, DUST, Decimal(1))
    assert (ledger.legs(PAIR), ledger.legs(DUST)) == ((), ((SPOT.id, Decimal(1)),))
    assert ledger.attribution(PAIR) == before
    assert ledger.attribution(DUST).total == ZERO
    assert next(ledger.holdings(DUST)).cost_usd == Decimal(110)


@pytest.mark.parametrize("quantity", ["2", "-1", "0"])
def test_nobody_gives_what_they_do_not_have(quantity: str) -> None:
    """More than is held, the other side, or nothing cannot change hands."""
    ledger = Ledger()
    ledger.apply_fill(fill(SPOT, "1", Side.BUY, "1", "100"), PAIR, SPOT, None)
    with pytest.raises(ValueError, match="cannot give"):
        ledger.move_owner(SPOT.id, PAIR, DUST, Decimal(quantity))


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity"])
def test_impossible_price_is_refused_and_changes_nothing(price: str) -> None:
    """V stays what it was."""
    ledger = Ledger()
    ledger.revalue(SPOT.id, Decimal(100))
    with pytest.raises(Unavailable, match="no valuation price"):
        ledger.revalue(SPOT.id, Decimal(price))
    assert ledger.price(SPOT.id) == Decimal(100)


def test_instrument_without_price_is_unavailable() -> None:
    """A missing V is not zero."""
    with pytest.raises(Unavailable, match="no valuation price yet"):
        Ledger().price(SPOT.id)


def test_reopened_leg_keeps_its_history() -> None:
    """A pair that was flat in an instrument and trades it again goes on with its parts."""
    ledger = Ledger()
    ledger.revalue(PERP.id, Decimal(100))
    for number, side in enumerate((Side.BUY, Side.SELL, Side.BUY)):
        ledger.apply_fill(fill(PERP, f"{number}", side, "1", "100", "0.05"), PAIR, PERP, Decimal(100))
    assert ledger.attribution(PAIR) == ledger.attribution() == Attribution(fees=Decimal("-0.15"))
    assert ledger.attribution_of_sleeve(Sleeve.CARRY) == ledger.attribution()


def test_display_adds_up_to_the_attribution() -> None:
    """Realised + unrealised + funding + fees of a holding is the total of its parts, coin fees included."""
    ledger = Ledger()
    ledger.revalue(SPOT.id, Decimal(201))
    ledger.apply_fill(fill(SPOT, "1", Side.BUY, "3", "200", "0.003", fee_in_base=True), PAIR, SPOT, Decimal(200))
    ledger.apply_fill(fill(SPOT, "2", Side.SELL, "1", "207", "0.207"), PAIR, SPOT, Decimal(200))
    ledger.revalue(SPOT.id, Decimal(203))
    row = next(ledger.holdings())
    total = row.realised_usd + row.unrealised_usd + row.funding_usd + row.fees_usd
    assert total == ledger.attribution(PAIR).total == ledger.equity_usd()


def test_unknown_instruments_are_held_by_nobody() -> None:
    """Questions about what was never traded have an empty answer."""
    ledger = Ledger()
    assert ledger.quantity(PERP.id, PAIR) == ledger.net(PERP.id) == ZERO
    assert not any((ledger.owners(PERP.id), ledger.legs(PAIR), ledger.coins(BINANCE), ledger.venue_nets(BINANCE)))
    assert ledger.attribution(PAIR) == Attribution()


def test_snapshot_is_its_own_round_trip() -> None:
    """Encoding, decoding and encoding gives the same bytes, and the copy goes on as the original would."""
    ledger = Ledger()
    ledger.apply_cash(CashMoved(Nanos(1), BINANCE, Wallet.SPOT, Decimal("1E+3"), "start"))
    ledger.apply_fill(fill(PERP, "1", Side.SELL, "2", "100", "0.1"), PAIR, PERP, None)
    ledger.note_settlement(PERP.id, Nanos(8))
    ledger.begin_transfer(Transfer("t", BINANCE, Wallet.SPOT, BYBIT, Wallet.FUTURES, Decimal(400)))
    encoded = msgspec.msgpack.encode(ledger.state)
    copy = Ledger(msgspec.msgpack.decode(encoded, type=LedgerState))
    assert msgspec.msgpack.encode(copy.state) == encoded
    for each in (ledger, copy):
        each.apply_funding(paid(PERP, 8, "0.02", "-2", "100", "0.0001"), PERP)
    assert msgspec.msgpack.encode(copy.state) == msgspec.msgpack.encode(ledger.state)


def test_forced_fill_spares_owners_on_the_other_side() -> None:
    """The venue closed the net long; the overlay's short is untouched, the first of equals bears the rest."""
    ledger = Ledger()
    owners = [Owner("pair-a"), Owner("pair-b"), Owner("pair-c")]
    for number, owner in enumerate(owners):
        ledger.apply_fill(fill(PERP, f"{number}", Side.BUY, "0.003", "100"), owner, PERP, None)
    ledger.apply_fill(fill(PERP, "9", Side.SELL, "0.004", "100"), OVERLAY, PERP, None)
    split = ledger.apply_forced_fill(forced(PERP, "x", Side.SELL, "0.005", "90"), PERP, None)
    assert [share.amount for share in split] == [Decimal("-0.003"), Decimal("-0.001"), Decimal("-0.001")]
    assert ledger.quantity(PERP.id, OVERLAY) == Decimal("-0.004")
    assert ledger.net(PERP.id) == ZERO


def test_remainder_of_a_forced_fill_falls_on_the_largest() -> None:
    """Three lots from holders of one and four: nothing from the small one."""
    ledger = Ledger()
    ledger.apply_fill(fill(PERP, "1", Side.BUY, "0.001", "100"), PAIR, PERP, None)
    ledger.apply_fill(fill(PERP, "2", Side.BUY, "0.004", "100"), OTHER, PERP, None)
    split = ledger.apply_forced_fill(forced(PERP, "x", Side.SELL, "0.003", "90"), PERP, None)
    assert split == (OwnerShare(OTHER, Decimal("-0.003")),)


def test_settlement_that_was_not_noted_is_split_by_quantity_now() -> None:
    """A payment for a settlement we slept through goes to those who hold the position."""
    ledger = Ledger()
    ledger.apply_fill(fill(PERP, "1", Side.SELL, "2", "100"), PAIR, PERP, None)
    assert ledger.apply_funding(paid(PERP, 8, "0.02", "-2", "100", "0.0001"), PERP) == (
        OwnerShare(PAIR, Decimal("0.02")),
    )


def test_fill_reported_after_the_settlement_it_preceded_earns_its_funding() -> None:
    """The venue counted a trade before T that reached us after it: its owner gets the share, not the largest."""
    ledger = Ledger()
    ledger.apply_fill(fill(PERP, "1", Side.SELL, "3", "100"), PAIR, PERP, None)
    ledger.note_settlement(PERP.id, Nanos(8))
    ledger.apply_fill(fill(PERP, "2", Side.SELL, "2", "100"), OTHER, PERP, None)
    assert ledger.apply_funding(paid(PERP, 8, "0.05", "-5", "100", "0.0001"), PERP) == (
        OwnerShare(PAIR, Decimal("0.03")), OwnerShare(OTHER, Decimal("0.02")),
    )


def test_legs_of_another_coin_hedge_nothing() -> None:
    """Long bitcoin against short ether is price on both, even inside one pair."""
    ether = instrument("ETH/USDT:USDT")
    ledger = Ledger()
    ledger.apply_fill(fill(SPOT, "1", Side.BUY, "1", "100"), PAIR, SPOT, None)
    ledger.apply_fill(fill(ether, "1", Side.SELL, "1", "100"), PAIR, ether, None)
    ledger.revalue(SPOT.id, Decimal(110))
    assert ledger.attribution(PAIR) == Attribution(price=Decimal(10))


def test_questions_are_answered_for_the_owner_and_venue_asked() -> None:
    """Holdings, coins and equity of one leave the others out."""
    other_spot = instrument("BTC/USDT", venue="bybit")
    ledger = Ledger()
    ledger.apply_fill(fill(SPOT, "1", Side.BUY, "1", "100"), PAIR, SPOT, None)
    ledger.apply_fill(fill(other_spot, "1", Side.BUY, "2", "100"), OTHER, other_spot, None)
    ledger.apply_fill(fill(PERP_B, "1", Side.SELL, "2", "100"), OTHER, PERP_B, None)
    ledger.apply_fill(fill(PERP_B, "2", Side.BUY, "2", "100"), OTHER, PERP_B, None)
    ledger.revalue(other_spot.id, Decimal(101))
    assert [(row.owner, row.quantity) for row in ledger.holdings(OTHER)] == [(OTHER, Decimal(2))]
    assert [row.value_usd for row in ledger.holdings()] == [Decimal(100), Decimal(202)]
    assert ledger.coins(BYBIT) == ((Coin("BTC"), Decimal(2)),)
    assert (ledger.equity_usd(BINANCE), ledger.equity_usd(BYBIT)) == (ZERO, Decimal(2))

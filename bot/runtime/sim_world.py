"""The world of one seed: a small embedded market, the exchange on it with the plan's faults, and their schedule."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from bot.domain.events import Control, FundingSettled, InstrumentsChanged, MarketEvent, SessionStarted
from bot.domain.instrument import Instrument
from bot.domain.values import NS_PER_S, InstrumentId, Nanos, Venue, Wallet
from bot.engine.params import EngineParams
from bot.runtime.calendar import JOBS, Calendar
from bot.runtime.schedule import Schedule
from bot.runtime.sim_listings import ListingsMarket
from bot.runtime.sim_plan import REBALANCE_NS, REBALANCE_OFFSET_NS, WAITS_NS, OperatorOrder, SimPlan
from bot.venues.simulated.exchange import SimulatedExchange
from bot.venues.simulated.fault_kinds import FaultKind
from bot.venues.simulated.market.listings import with_default_listings
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.pegs import Depeg, WithPegs
from bot.venues.simulated.market.source import EmbeddedMarket
from bot.venues.simulated.params import SimulatedParams

START_NS: Final = Nanos(1_735_689_600 * NS_PER_S)
"""2025-01-01 00:00 UTC of the market's own time."""
CADENCE_S: Final = 60.0
SPOT_USD: Final = Decimal(30_000)
FUTURES_USD: Final = Decimal(20_000)
_COINS: Final = ("BTC", "XRP")
_VENUES_MAX: Final = 2
_ALONE: Final = 0.25
"""This share of the depegs is one venue's mistake."""
_IN_FLIGHT_NS: Final = 20_000_000
"""Half the way from us to a venue."""
_WARMUP_HOURS: Final = 80
_DEAF: Final = (FaultKind.VENUE_DOWN, FaultKind.READS_DOWN, FaultKind.BANNED, FaultKind.RATE_STORM,
                FaultKind.MAINTENANCE, FaultKind.KEY_REVOKED)
"""While one of these lasts nobody can be blamed for what a venue did not tell or do."""
_HISTORY_DAYS: Final = 45
_HISTORY_LONG_DAYS: Final = 280
_LONG_EVERY: Final = 4


def small_market(params: EmbeddedParams) -> EmbeddedParams:
    """The default market cut to two venues and two coins (eight instruments); listings of one's own are kept."""
    if params.coins or params.venues:
        return with_default_listings(params)
    full = with_default_listings(params)
    venues = tuple(
        msgspec.structs.replace(venue, listings=tuple(row for row in venue.listings if row.coin in _COINS))
        for venue in full.venues[:_VENUES_MAX]
    )
    coins = tuple(coin for coin in full.coins if coin.coin in _COINS)
    return msgspec.structs.replace(full, coins=coins, venues=venues)


def eager(params: EngineParams) -> EngineParams:
    """The same engine with a strategy that trades often: faults matter only where orders are.

    Entry thresholds, hold and cool-down fall; the stops on P&L, which so much trading would reach, are widened.
    Execution, its clocks and the order limits stay as configured.
    """
    carry = msgspec.structs.replace(
        params.carry, entry_buffer_bps=0.0, exit_buffer_bps=0.0, hurdle_annual=0.0, risk_premium_annual=0.0,
        min_hold_h=0.5, cool_down_h=0.0, basis_observations_min=1, coin_share_max=0.4, venue_share_max=0.6,
        forecast_half_life_h=8.0,
        slow_half_life_h=24.0, mean_doubt_h=0.0, mean_weight=1.0,
    )
    risk = msgspec.structs.replace(params.risk, daily_loss_stop_pct=20.0, drawdown_stop_pct=50.0)
    # the governor works, with limits that leave the sizes to the strategy: what it cuts makes no orders to be lost
    caps = msgspec.structs.replace(params.governor.caps, touch_probability=0.1, reaction_probability=0.1)
    governor = msgspec.structs.replace(params.governor, caps=caps, young_days=0, es_limit_share=0.5,
                                       stress_loss_max_pct=50.0, bucket_share_max=1.0)
    return msgspec.structs.replace(
        params, carry=carry, risk=risk, governor=governor, rebalance_every_s=REBALANCE_NS // NS_PER_S,
        rebalance_offset_s=REBALANCE_OFFSET_NS // NS_PER_S)


class SimWorld:
    """Everything outside the process: it goes on while the process is dead."""

    def __init__(self, plan: SimPlan, embedded: EmbeddedParams, simulated: SimulatedParams) -> None:
        simulated = msgspec.structs.replace(simulated, request_timeout_ms=plan.request_timeout_ms)
        market_params = msgspec.structs.replace(embedded, scenarios=(*embedded.scenarios, *plan.scenarios))
        self.plan = plan
        self._deaf = tuple(s for s in plan.faults.strikes if s.kind in _DEAF)
        self.market = EmbeddedMarket(market_params, plan.seed, plan.start_ns, plan.end_ns)
        self._instruments: dict[InstrumentId, Instrument] = {i.id: i for i in self.market.instruments()}
        self.exchange = SimulatedExchange(tuple(self._instruments.values()), simulated, plan.seed, faults=plan.faults)
        # some seeds have history for a fit, the others go by their fallbacks
        days = _HISTORY_LONG_DAYS if plan.seed % _LONG_EVERY == 0 else _HISTORY_DAYS
        rates = self.market.funding_history(_WARMUP_HOURS)
        warmup: tuple[MarketEvent, ...] = (*rates, *self.market.closes_before(days))
        self.first_ns = Nanos(min((event.at_ns for event in warmup), default=plan.start_ns) - 1)
        listed = ListingsMarket(self.market, self._instruments.values(), plan.faults.strikes)
        priced = WithPegs(listed, self._instruments.values(), plan.seed, plan.start_ns, self._depegs())
        self.schedule = Schedule(priced, self.exchange, Calendar(JOBS, plan.start_ns), plan.end_ns + 1,
                                 start_ns=self.first_ns)
        for event in warmup:
            self.schedule.inject(event)
        self._waiting: list[OperatorOrder] = []
        """Operator's orders that wait for an order of ours to be on its way."""
        for order in plan.orders:
            if order.wants_order:
                self._waiting.append(order)
            else:
                self._order(order, order.at_ns)
        for venue in self.venues:
            self.exchange.deposit(START_NS, venue, Wallet.SPOT, SPOT_USD, f"capital-{venue}-spot")
            self.exchange.deposit(START_NS, venue, Wallet.FUTURES, FUTURES_USD, f"capital-{venue}-futures")

    @property
    def venues(self) -> tuple[Venue, ...]:
        """All venues, in the order of their listing."""
        return tuple(dict.fromkeys(instrument.venue for instrument in self._instruments.values()))

    def _depegs(self) -> tuple[Depeg, ...]:
        """The currency of the struck venue falls; in some of the strikes that venue alone says so."""
        quoted = {each.venue: each.quote for each in self._instruments.values()}
        return tuple(
            Depeg(currency=quoted[s.venue], at_ns=s.at_ns, end_ns=s.end_ns, depth=s.size,
                  said_by=s.venue if s.draw < _ALONE else Venue(""))
            for s in self.plan.faults.strikes if s.kind is FaultKind.DEPEG)

    def session(self, at_ns: int, epoch: int, latch: str, resumed: bool) -> SessionStarted:
        """A process takes over the account, under the instruments' rules of now."""
        return SessionStarted(
            at_ns=Nanos(at_ns), epoch=epoch, build="simulated", config_hash="simulated", account="sim", kind="sim",
            instruments=tuple(self._instruments.values()), latch=latch, resumed=resumed, cadence_s=CADENCE_S,
            trade_from_ns=Nanos(0) if resumed else Nanos(self.plan.start_ns),
        )

    def rules(self, instrument: InstrumentId) -> Instrument | None:
        """An instrument's rules now."""
        return self._instruments.get(instrument)

    def order_left(self, at_ns: int) -> None:
        """One of the bot's orders is on its way: an operator may have waited for that."""
        while self._waiting and self._waiting[0].at_ns <= at_ns:
            order = self._waiting.pop(0)
            if at_ns < order.at_ns + WAITS_NS:
                self._order(order, at_ns + _IN_FLIGHT_NS)

    def _order(self, order: OperatorOrder, at_ns: int) -> None:
        self.schedule.inject(Control(at_ns=Nanos(at_ns), action=order.action, actor="simulated operator",
                                     reason=f"planned {order.action.value}"))

    def went_by(self, event: MarketEvent) -> None:
        """Rules that changed hold for every later session."""
        if isinstance(event, InstrumentsChanged):
            for instrument in event.instruments:
                self._instruments[instrument.id] = instrument

    def deaf(self, at_ns: int) -> bool:
        """Whether some venue cannot be reached, does not serve us, or cannot be read at this instant."""
        return any(s.at_ns <= at_ns < s.end_ns for s in self._deaf)


def missed_rates(missed: list[FundingSettled], at_ns: int) -> list[FundingSettled]:
    """Rates settled while nobody listened, as a start reads them from the venues' public history."""
    return [msgspec.structs.replace(event, at_ns=Nanos(at_ns)) for event in missed]

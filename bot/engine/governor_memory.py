"""What the governor has computed and can compute again: a cache that is no part of the state and never decides."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.values import Coin
from bot.engine.state import EngineState
from bot.quant.beta import Beta
from bot.risk.book_tail import BookTail, CoinPath, PairLegs, book_tail, coin_path
from bot.risk.coin_beta import coin_beta
from bot.risk.concentration import buckets_of
from bot.risk.governor_params import GovernorParams
from bot.strategy.hedge import HedgeParams


class GovernorMemory:
    """Scenarios of the last book, buckets and betas of coins, valid until the panel closes another day."""

    def __init__(self) -> None:
        self._closed = -1
        self._paths: dict[Coin, CoinPath | None] = {}
        self._tails: dict[tuple[PairLegs, ...], BookTail] = {}
        self._buckets: dict[Coin, int] | None = None
        self._betas: dict[Coin, Beta | None] = {}

    def tail(self, state: EngineState, pairs: Sequence[PairLegs], params: GovernorParams) -> BookTail:
        """The scenarios of these pairs."""
        self._begin(state)
        key = tuple(pairs)
        if key not in self._tails:
            for pair in pairs:
                if pair.coin not in self._paths:
                    own = state.models.coins.get(pair.coin)
                    self._paths[pair.coin] = coin_path(state.panel, own.instrument) if own is not None else None
            self._tails[key] = book_tail(state.panel, pairs, self._paths, params)
        return self._tails[key]

    def buckets(self, state: EngineState, params: GovernorParams) -> dict[Coin, int]:
        """Coins that move together, by the number of their bucket."""
        self._begin(state)
        if self._buckets is None:
            perps = {coin: own.instrument for coin, own in state.models.coins.items()}
            self._buckets = buckets_of(state.panel, perps, params.bucket_correlation)
        return self._buckets

    def beta_of(self, state: EngineState, params: HedgeParams, coin: Coin) -> Beta | None:
        """What a coin moves with the market; None where the market or the coin has no closes at all."""
        self._begin(state)
        if coin not in self._betas:
            own, market = state.models.coins.get(coin), state.models.coins.get(Coin(params.benchmark))
            self._betas[coin] = None if own is None or market is None else coin_beta(
                state.panel, own.instrument, market.instrument)
        return self._betas[coin]

    def _begin(self, state: EngineState) -> None:
        if state.panel.days_closed != self._closed:
            self._closed = state.panel.days_closed
            self._paths, self._tails, self._buckets, self._betas = {}, {}, None, {}

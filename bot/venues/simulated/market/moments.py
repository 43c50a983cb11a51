"""The statistics of a simulated sample, under the names of `calibration.REFERENCES`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bot.venues.simulated.market.liquidity import liquidity_day
from bot.venues.simulated.market.params import EmbeddedParams
from bot.venues.simulated.market.path import PathModel
from bot.venues.simulated.market.streams import MINUTES_PER_DAY, Array

_HOURS = slice(59, None, 60)
_INTEREST_8H_E8 = 10_000


class _Sample:
    """Hourly values of a run and its settled rates summed to 8 h, keyed by (venue, coin)."""

    def __init__(self, params: EmbeddedParams, seed: int, days: int) -> None:
        model = PathModel(params, seed)
        index, mids, turnover, touch, depth = [], [], [], [], []
        rates = np.zeros((len(model.perps), days * 3))
        at_interest = [0] * len(model.perps)
        settled = [0] * len(model.perps)
        state = model.start()
        for day in range(days):
            block = model.day(state)
            state = block.end
            book = liquidity_day(model.params, model.rows, seed, day, block.mid, block.vol_ratio)
            index.append(block.index[:, _HOURS])
            mids.append(block.mid[:, _HOURS])
            turnover.append(book.turnover_usd.reshape(len(model.rows), 24, 60).sum(axis=2))
            touch.append(((book.ask_ticks - book.bid_ticks) / (book.ask_ticks + book.bid_ticks) * 2e4)[:, _HOURS])
            depth.append(book.depth_lots[:, _HOURS] * 2e-6)
            for rate in block.funding.settlements:
                rates[rate.row, day * 3 + (rate.minute - 1) * 3 // MINUTES_PER_DAY] += rate.rate_e8 * 1e-4
                at_interest[rate.row] += abs(rate.rate_e8 * 8 - _INTEREST_8H_E8 * rate.interval_h) < 8
                settled[rate.row] += 1
        self.coins = [coin.coin for coin in model.params.coins]
        self.index = np.concatenate(index, axis=1)
        names = [(str(r.instrument.venue), str(r.instrument.coin), r.instrument.is_perp) for r in model.rows]
        perps = [name[:2] for name in names if name[2]]
        self.mids = dict(zip(names, np.concatenate(mids, axis=1), strict=True))
        self.turnover = dict(zip(names, np.concatenate(turnover, axis=1), strict=True))
        self.spread_bp = dict(zip(names, np.concatenate(touch, axis=1), strict=True))
        lots = np.array([float(row.instrument.lot_size) for row in model.rows])[:, None]
        depth_musd = np.concatenate(depth, axis=1) * lots * np.concatenate(mids, axis=1)
        self.depth_musd = dict(zip(names, depth_musd, strict=True))
        self.rates = dict(zip(perps, rates, strict=True))
        self.pct_default = {
            name: 100.0 * hit / count for name, hit, count in zip(perps, at_interest, settled, strict=True)}


def simulated_moments(params: EmbeddedParams, seed: int, days: int) -> dict[str, float]:
    """Every reference statistic of `days` simulated days; figures in the units of `REFERENCES`."""
    sample = _Sample(params, seed, days)
    figures = dict(_returns(sample))
    figures.update(_funding(sample))
    figures.update(_basis_and_books(sample))
    return figures


def _returns(sample: _Sample) -> Iterator[tuple[str, float]]:
    log_price = np.log(sample.index)
    hourly, daily = np.diff(log_price, axis=1), np.diff(log_price[:, 23::24], axis=1)
    correlation, covariance = np.corrcoef(daily), np.cov(daily)
    for row, coin in enumerate(sample.coins):
        yield f"vol_1h_pct/{coin}", 100.0 * float(hourly[row].std())
        yield f"vol_1d_pct/{coin}", 100.0 * float(daily[row].std())
        yield f"kurtosis_1h/{coin}", _excess_kurtosis(hourly[row])
        yield f"kurtosis_1d/{coin}", _excess_kurtosis(daily[row])
        yield f"return_ac1_1h/{coin}", _autocorrelation(hourly[row], 1)
        yield f"beta_btc/{coin}", float(covariance[row, 0] / covariance[0, 0])
        for other in range(row):
            yield f"corr_1d/{sample.coins[other]}-{coin}", float(correlation[row, other])
    for lag in (1, 6, 24, 168):
        yield f"abs_return_acf/{lag}", _autocorrelation(np.abs(hourly[0]), lag)
    # hourly[k] ends with hour k + 1 of the sample; medians keep one jump from deciding
    by_hour = [float(np.median(np.abs(hourly[0, (hour - 1) % 24::24]))) for hour in range(24)]
    yield "hour_vol_spread", max(by_hour) / min(by_hour)


def _funding(sample: _Sample) -> Iterator[tuple[str, float]]:
    for (venue, coin), rate in sample.rates.items():
        key = f"{venue}/{coin}"
        yield f"funding_mean_bp_8h/{key}", float(rate.mean())
        yield f"funding_std_bp_8h/{key}", float(rate.std())
        yield f"funding_median_bp_8h/{key}", float(np.median(rate))
        yield f"funding_ac1_8h/{key}", _autocorrelation(rate, 1)
        yield f"funding_ac_24h/{key}", _autocorrelation(rate, 3)
        yield f"funding_ac_7d/{key}", _autocorrelation(rate, 21)
        yield f"funding_pct_default/{key}", sample.pct_default[venue, coin]
        yield f"funding_pct_negative/{key}", 100.0 * float(np.mean(rate < 0.0))
    first = next(iter(sample.rates))[0]
    for (venue, coin), rate in sample.rates.items():
        base = sample.rates[first, coin]
        if venue == first:
            for other in sample.coins[:sample.coins.index(coin)]:
                yield f"funding_coin_corr/{other}-{coin}", float(np.corrcoef(sample.rates[first, other], rate)[0, 1])
            continue
        key, gap = f"{venue}-{first}/{coin}", rate - base
        yield f"funding_spread_corr/{key}", float(np.corrcoef(rate, base)[0, 1])
        yield f"funding_spread_mean_bp/{key}", float(gap.mean())
        yield f"funding_spread_std_bp/{key}", float(gap.std())
        yield f"funding_spread_mean_abs_bp/{key}", float(np.abs(gap).mean())
        yield f"funding_spread_ac1/{key}", _autocorrelation(gap, 1)


def _basis_and_books(sample: _Sample) -> Iterator[tuple[str, float]]:
    first = next(iter(sample.mids))[0]
    for (venue, coin, perp), mid in sample.mids.items():
        key = f"{venue}/{coin}"
        spot = sample.mids.get((venue, coin, False))
        if not perp:
            if venue != first and (first, coin, False) in sample.mids:
                gap = 1e4 * (mid / sample.mids[first, coin, False] - 1.0)
                yield f"spot_gap_std_bp/{venue}-{first}/{coin}", float(gap.std())
            continue
        if spot is not None:
            basis = 1e4 * (mid / spot - 1.0)
            yield f"basis_mean_bp/{key}", float(basis.mean())
            yield f"basis_std_bp/{key}", float(basis.std())
            yield f"basis_half_life_h/{key}", float(-np.log(2.0) / np.log(_autocorrelation(basis, 1)))
        yield f"turnover_hour_musd/{key}", float(np.median(sample.turnover[venue, coin, perp])) / 1e6
        yield f"spread_bp_median/{key}", float(np.median(sample.spread_bp[venue, coin, perp]))
        yield f"spread_bp_mean/{key}", float(np.mean(sample.spread_bp[venue, coin, perp]))
        yield f"depth_50bp_musd/{key}", float(np.median(sample.depth_musd[venue, coin, perp]))


def _excess_kurtosis(values: Array) -> float:
    centred = values - values.mean()
    return float((centred**4).mean() / (centred**2).mean() ** 2 - 3.0)


def _autocorrelation(values: Array, lag: int) -> float:
    centred = values - values.mean()
    return float((centred[lag:] * centred[:-lag]).mean() / (centred * centred).mean())

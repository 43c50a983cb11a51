"""The composition root: the only folder that builds parts and joins them, one file per verb group.

May import everything below the command line. Used by `cli`.
"""

from bot.app.backtests import run_backtest
from bot.app.comparisons import run_diff, run_replay
from bot.app.daemon import run_daemon
from bot.app.rehearsal.drill import run_drill
from bot.app.rehearsal.storm import run_rehearsal
from bot.app.reports import run_report
from bot.app.rescue import run_rescue
from bot.app.simulations import run_sim, shrink_sim

__all__ = [
    "run_backtest", "run_daemon", "run_diff", "run_drill", "run_rehearsal", "run_replay", "run_report", "run_rescue",
    "run_sim", "shrink_sim",
]

"""Verbs that look at history and at simulated days: backtest, report, replay, sim."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli import arguments as args
from bot.cli.output import emit, say
from bot.cli.parse import duration_ns, seed_range
from bot.cli.report_file import save_html, save_risk_html
from bot.cli.screens import open_screen, report_table
from bot.domain.values import NS_PER_DAY
from bot.options import BacktestOptions, DiffOptions, ReplayOptions, ReportOptions, RiskReportOptions, Scope, SimOptions
from bot.settings import Settings, load


def backtest(
    config: args.Config = None, data: args.Data = None, venues: args.Venues = None, symbols: args.Symbols = None,
    start: args.From = None, end: args.To = None, capital: args.Capital = None, home: args.Home = None,
    as_json: args.Json = False,
) -> int:
    """Run the bot over recorded history and report what it earned, from what, at which risk."""
    scope = args.scope(data, venues, symbols, start, end)
    if scope.data is None:
        raise typer.BadParameter("backtest needs --data DIR, a folder of Parquet history")
    settings = load(config, os.environ)

    from bot import app

    root, screen = args.home(home), open_screen(as_json, live=False)
    options = BacktestOptions(home=root, scope=scope, capital_usd=args.capital(capital), screen=screen)
    try:
        report = app.run_backtest(settings, options)
    finally:
        screen.close()
    emit(report, as_json, report_table(report, as_json))
    save_html(report, root)
    return 0


def report(
    source: Annotated[Path | None, typer.Argument(metavar="[RUN|risk]", help="A journal, an account's folder, or the"
                                                  " word risk.")] = None,
    config: args.Config = None, account: args.Account = None, data: args.Data = None, venues: args.Venues = None,
    symbols: args.Symbols = None, start: args.From = None, end: args.To = None, home: args.Home = None,
    as_json: args.Json = False,
) -> int:
    """Print the report of a recorded run; none named: the newest under the home folder.

    `report risk` judges the risk models instead: VaR against outcomes, GARCH against realised volatility, leverage
    caps, efficient frontier, stress and what funding does to returns. On --data DIR, else on the embedded market
    (two years, about a minute). The page is one HTML file.
    """
    settings = load(config, os.environ)
    root = args.home(home)
    if source == Path("risk"):
        return _risk_report(settings, args.scope(data, venues, symbols, start, end), root, as_json)
    if any(each is not None for each in (data, venues, symbols, start, end)):
        raise typer.BadParameter("--data, --venues, --symbols, --from and --to go with `report risk`")
    if source is not None and not source.exists():
        raise typer.BadParameter(f"{source}: no such journal or folder")

    from bot import app

    document = app.run_report(settings, ReportOptions(home=root, source=source, account=args.account(account)))
    emit(document, as_json, report_table(document, as_json))
    save_html(document, root)
    return 0


def _risk_report(settings: Settings, scope: Scope, root: Path, as_json: bool) -> int:
    """Make it, say the short of it, save the page."""
    from bot.app.risk_reports import run_risk_report
    from bot.cli.risk_text import risk_text

    screen = open_screen(as_json, live=False)
    try:
        document = run_risk_report(settings, RiskReportOptions(scope=scope, screen=screen))
    finally:
        screen.close()
    emit(document, as_json, None if as_json else risk_text(document))
    save_risk_html(document, root)
    return 0


def replay(
    journal: Annotated[Path | None, typer.Argument(metavar="[JOURNAL]", help="A recorded run's journal.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Daemon against backtest over the same history.")] = False,
    config: args.Config = None, data: args.Data = None, venues: args.Venues = None, symbols: args.Symbols = None,
    start: args.From = None, end: args.To = None, capital: args.Capital = None, home: args.Home = None,
    as_json: args.Json = False,
) -> int:
    """Step a recorded run again and compare; or compare daemon and backtest (--diff). Exit 1 on any difference."""
    scope = args.scope(data, venues, symbols, start, end)
    if diff == (journal is not None):
        raise typer.BadParameter("give either a JOURNAL, or --diff with --data DIR --from A --to B")
    if diff and (scope.data is None or scope.from_ns is None or scope.to_ns is None):
        raise typer.BadParameter("replay --diff needs --data DIR --from A --to B")
    if journal is not None and not journal.exists():
        raise typer.BadParameter(f"{journal}: no such journal")
    settings = load(config, os.environ)

    from bot import app

    root, screen = args.home(home), open_screen(as_json, live=False)
    if journal is not None:
        outcome: Any = app.run_replay(settings, ReplayOptions(home=root, journal=journal, screen=screen))
    else:
        options = DiffOptions(home=root, scope=scope, capital_usd=args.capital(capital), screen=screen)
        outcome = app.run_diff(settings, options)
    count = differences(outcome)
    missing = getattr(outcome, "missing", "")
    emit(outcome, as_json, f"{count} differences" if count == 0 and not missing else None)
    return 0 if count == 0 else 1


def sim(
    seeds: Annotated[str, typer.Option("--seeds", metavar="A..B", help="One seed, or a range, both ends.")] = "0..9",
    days: Annotated[str, typer.Option("--days", metavar="N", help="Simulated days per seed: 2, or 12h.")] = "2",
    profile: Annotated[str, typer.Option("--profile", metavar="NAME",
                                         help="calm, normal, default, hostile or crash.")] = "default",
    replay_seed: Annotated[int | None, typer.Option("--replay", metavar="SEED", min=0,
                                                    help="One seed again, its plan of faults told first.")] = None,
    shrink: Annotated[int | None, typer.Option("--shrink", metavar="SEED", min=0, help="The few faults that break a "
                                               "failing seed, as a plan on stdout.")] = None,
    plan: Annotated[Path | None, typer.Option("--plan", metavar="FILE", help="Run a plan from --shrink.")] = None,
    trace: Annotated[Path | None, typer.Option("--trace", metavar="FILE", help="One seed or plan: write every event "
                                               "and command, `-` for stdout.")] = None,
    config: args.Config = None, home: args.Home = None, as_json: args.Json = False,
) -> int:
    """Run seeded days with faults and check every invariant; exit 1 on any violation, naming seed and invariant."""
    span = args.parsed("--days", lambda text: duration_ns(text if text[-1:].isalpha() else f"{text}d"), days)
    bounds = args.parsed("--seeds", seed_range, seeds)
    assert span is not None, "it has a default"
    assert bounds is not None, "it has a default"
    one = replay_seed if replay_seed is not None else shrink
    if sum(given is not None for given in (replay_seed, shrink, plan)) > 1:
        raise typer.BadParameter("give one of --replay SEED, --shrink SEED and --plan FILE")
    if trace is not None and (shrink is not None or (one is None and plan is None and bounds[0] != bounds[1])):
        raise typer.BadParameter("--trace is for one seed: --replay SEED, --plan FILE or --seeds N")
    if as_json and str(trace) == "-":
        raise typer.BadParameter("--trace - and --json both want stdout; write the trace to a file")
    settings = load(config, os.environ)

    from bot import app

    screen = open_screen(as_json, live=False)
    options = SimOptions(
        home=args.home(home), seed_first=bounds[0] if one is None else one, seed_last=bounds[1] if one is None else one,
        days=span / NS_PER_DAY, profile=profile, plan=plan, explain=replay_seed is not None, trace=trace, screen=screen,
    )
    try:
        if shrink is not None:
            return _shrink(app.shrink_sim(settings, options), shrink)
        document = app.run_sim(settings, options)
    finally:
        screen.close()
    emit(document, as_json)
    if field(document, "violations") == 0:
        return 0
    say(sim_failure(document))
    return 1


def _shrink(found: Any, seed: int) -> int:
    """Print the plan that was found; nothing was broken: say so."""
    if found is None:
        say(f"seed {seed} breaks no invariant: there is nothing to shrink")
        return 0
    from bot.runtime.sim_plan_text import encode_plan

    sys.stdout.write(encode_plan(found) + "\n")
    say("save it as FILE and run it with `evenkeel sim --plan FILE`")
    return 1


def sim_failure(document: Any) -> str:
    """The line that names the seeds, the broken invariants, and how to look closer."""
    failing = field(document, "failing")
    seeds = list(dict.fromkeys(field(breach, "seed") for breach in failing))
    rules = list(dict.fromkeys(field(breach, "invariant") for breach in failing))
    return (f"{', '.join(rules)} broken by seed {', '.join(map(str, seeds[:10]))}"
            + (f" and {len(seeds) - 10} more" if len(seeds) > 10 else "")
            + f"; look closer with `evenkeel sim --replay {seeds[0]} --days {field(document, 'days'):g} --profile "
            f"{field(document, 'profile')} --trace FILE`, or `--shrink {seeds[0]}`")


def differences(outcome: Any) -> int:
    """How many differences a comparison found."""
    count = field(outcome, "differences")
    return count if isinstance(count, int) else len(count)


def field(document: Any, name: str) -> Any:
    """A field of a document that may be a struct or a plain mapping."""
    return document[name] if isinstance(document, dict) else getattr(document, name)

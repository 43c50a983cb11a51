"""The verbs joined to one command, and its usage errors as one line with exit code 2."""

from __future__ import annotations

from collections.abc import Callable

import typer
from typer._click.exceptions import ClickException, NoArgsIsHelpError

from bot.cli import calc, configuration, control, db, doctor, look, rehearsing, research, risk, run, version

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="evenkeel",
    help="A market-neutral carry bot. `evenkeel run` starts it on an embedded market that needs no keys.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
PANELS: dict[str, tuple[Callable[..., int], ...]] = {
    "The daemon": (run.run, run.stop),
    "Look": (look.status, look.positions, look.orders, look.fills, look.decisions, look.funding, risk.risk),
    "Intervene": (control.pause, control.resume, control.flatten, control.kill, control.acknowledge),
    "Research": (research.backtest, research.report, research.replay, research.sim),
    "Rehearse": (rehearsing.drill, rehearsing.rehearse),
    "This installation": (doctor.doctor, version.version),
}
for panel, verbs in PANELS.items():
    for verb in verbs:
        app.command(rich_help_panel=panel)(verb)
app.add_typer(calc.app, name="calc", rich_help_panel="Research")
app.add_typer(db.app, name="db", rich_help_panel="This installation")
app.add_typer(configuration.app, name="config", rich_help_panel="This installation")


def run_verb(arguments: list[str]) -> int:
    """Run one verb with its arguments and give its exit code; errors of ours pass through to `bot.__main__`."""
    command = typer.main.get_command(app)
    try:
        result = command.main(args=arguments, prog_name="evenkeel", standalone_mode=False)
    except NoArgsIsHelpError as error:
        typer.echo(error.format_message(), err=True)
        return EXIT_USAGE
    except ClickException as error:
        line = " ".join(error.format_message().split())
        typer.echo(f"evenkeel: {line} (see evenkeel {_known_words(arguments)}--help)", err=True)
        return EXIT_USAGE
    except typer.Abort:
        typer.echo("evenkeel: interrupted; nothing was sent", err=True)
        return EXIT_INTERRUPTED
    return result if isinstance(result, int) else 0


def _known_words(arguments: list[str]) -> str:
    """The verb, for the hint at its help; empty if it is none of ours."""
    known = {verb.__name__ for verbs in PANELS.values() for verb in verbs} | {"calc", "config", "db"}
    return f"{arguments[0]} " if arguments and arguments[0] in known else ""

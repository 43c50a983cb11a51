"""`config show|check|schema`: what the settings are, whether a file is good, and what may stand in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import arguments as args
from bot.cli.output import emit, say
from bot.cli.toml_text import toml_text
from bot.settings import config_hash, load, schema, sections

app = typer.Typer(no_args_is_help=True, help="Show, check and describe the configuration.")
File = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A TOML file; none: the built-in settings.")]


@app.command()
def show(
    file: File = None, config: args.Config = None,
    toml: Annotated[bool, typer.Option("--toml", help="A complete, commented file to start from.")] = False,
    home: args.Home = None, as_json: args.Json = False,
) -> int:
    """Print every setting in effect, defaults included."""
    source = file or config
    settings = load(source, os.environ)
    document = {
        "file": source, "config_hash": config_hash(settings), "home": args.home(home), "settings": settings,
    }
    if as_json:
        emit(document, as_json=True)
        return 0
    if toml:
        typer.echo(toml_text(settings, f"All settings of {source or 'the built-in demo'}, as in effect."), nl=False)
        return 0
    say(f"{source or 'built-in settings'}  config hash {config_hash(settings)[:16]}  home {document['home']}")
    emit(sections(settings), as_json=False)
    return 0


@app.command()
def check(file: File = None, config: args.Config = None, home: args.Home = None, as_json: args.Json = False) -> int:
    """Say whether the file can be used; exit 78 and one line if not."""
    source = file or config
    settings = load(source, os.environ)
    args.home(home)
    if as_json:
        emit({"ok": True, "file": source, "config_hash": config_hash(settings)}, as_json=True)
    else:
        say(f"{source or 'built-in settings'}: good, config hash {config_hash(settings)[:16]}")
    return 0


@app.command(name="schema")
def show_schema(as_json: args.Json = False, home: args.Home = None) -> int:
    """Print the JSON schema of a configuration file (always JSON)."""
    del as_json, home  # accepted, so that every verb takes them
    emit(schema(), as_json=True)
    return 0

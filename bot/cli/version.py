"""`version`: which build this is."""

from __future__ import annotations

import platform

from bot import __version__
from bot.cli import arguments as args
from bot.cli.output import emit


def version(home: args.Home = None, as_json: args.Json = False) -> int:
    """Print the version."""
    del home  # accepted, so that every verb takes it
    if as_json:
        build = {"version": __version__, "python": platform.python_version(), "platform": platform.platform()}
        emit(build, as_json=True)
    else:
        emit(None, as_json=False, rendered=f"evenkeel {__version__}")
    return 0

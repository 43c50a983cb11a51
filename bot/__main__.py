"""`python -m bot` is the `evenkeel` command: errors become one line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from bot.domain.errors import BotError

# One thread for linear algebra: our matrices are small, and two processes share the cores. Read when numpy is imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

EXIT_UNEXPECTED = 70
EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 done, 1 failed, 2 usage, 70 a mistake of ours, 75 locked, 78 configuration, 130 interrupted."""
    from bot.cli.root import run_verb

    return guarded(lambda: run_verb(list(sys.argv[1:] if arguments is None else arguments)))


def guarded(verb: Callable[[], int]) -> int:
    """Run it and turn whatever it raises into one line on stderr and an exit code.

    Raises:
        Exception: the unexpected one itself, when EVENKEEL_DEBUG is set.
    """
    try:
        code = verb()
        sys.stdout.flush()
    except BotError as error:
        return _refused(error)
    except KeyboardInterrupt:
        _say("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`). Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED
    except OSError as error:  # a full disk or a folder of someone else is no mistake of ours
        _say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 1
    except Exception as error:  # the outermost frame: a person reads one line, not a traceback
        known = error.split(BotError) if isinstance(error, ExceptionGroup) else (None, error)
        if known[0] is not None and known[1] is None:
            return _refused(_first(known[0]))
        if os.environ.get("EVENKEEL_DEBUG"):
            raise
        _say(f"unexpected {type(error).__name__}: {error} (a mistake of ours; EVENKEEL_DEBUG=1 shows where)")
        return EXIT_UNEXPECTED
    return code


def _first(error: BaseException) -> BaseException:
    """The first error inside nested groups of errors: the tasks that failed after it failed because of it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _refused(error: BaseException) -> int:
    _say(str(error) or type(error).__name__)
    return int(getattr(error, "exit_code", 1))


def _say(text: str) -> None:
    from bot.cli.output import as_typed

    line = " ".join(as_typed(text).split())
    sys.stderr.write(f"evenkeel: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())

"""Wraps every command: errors become one message on stderr and an exit code.

A traceback of tamias itself is not shown; with TAMIAS_DEBUG=1 in the environment it comes before
the message. A traceback of the user's own code is part of the message.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
from typing import TYPE_CHECKING, ParamSpec

import typer
from rich.text import Text

from ..agent.errors import AgentFailedError, TamiasError
from ..launcher.jobs.exit_codes import INTERRUPTED
from ..launcher.sinks.appendfile import OutputClosedError
from ..store.faults import MORE_FILES, TOO_MANY
from ..worker.importing.guard import refuse_during_import
from .text import error_console

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

P = ParamSpec("P")

_PRINTERS = ("rich.", "typer.", "click.", __name__.rpartition(".")[0] + ".")
"""Modules that write to standard output."""


def guarded(command: Callable[P, int]) -> Callable[P, None]:
    """Return a command for typer, made from a function that returns an exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **options: P.kwargs) -> None:
        try:
            refuse_during_import("A command of tamias")
            code = command(*args, **options)
            if problem := _output_error():
                print_error(problem)
                _drop_output()
                code = code or 1
        except (BrokenPipeError, OutputClosedError):
            # `tamias ... | head` has closed the pipe: drop the rest of the buffer.
            _drop_output()
            code = 1
        except KeyboardInterrupt:
            print_error("Interrupted.")
            code = INTERRUPTED
        except TamiasError as error:
            _debug()
            _print_tamias_error(error)
            code = error.exit_code
        except typer.Exit:
            raise
        except OSError as error:
            _debug()
            if _was_printing(error):
                print_error(_unwritable(error))
                _drop_output()
            elif error.errno not in TOO_MANY:
                _print_own_error(error)
            else:
                print_error(f"{error.strerror}: {error.filename}.", MORE_FILES)
            code = 1
        except Exception as error:  # noqa: BLE001 (no traceback is shown to users)
            _debug()
            _print_own_error(error)
            code = 1
        raise typer.Exit(code)

    return wrapped


def _output_error() -> str:
    """Flush stdout; return why that is not possible, if it is not.

    Raises:
        BrokenPipeError: its reader has closed it.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        return _unwritable(error)
    return ""


def _was_printing(error: OSError) -> bool:
    """Whether an error comes from writing to a stream: not from a file, which it would name."""
    if error.filename is not None:
        return False
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith(_PRINTERS)


def _unwritable(error: OSError) -> str:
    return f"Cannot write to standard output: {error.strerror}."


def _drop_output() -> None:
    """Have the interpreter drop what is left in stdout's buffer when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def print_error(
    message: str, hint: str = "", details: str = "", console: Console | None = None
) -> None:
    """Write an error message to stderr: what happened, the details, what to do."""
    text = Text.assemble(("error:", "bold red"), " ", message.strip())
    if details:
        text.append(f"\n\n{details.rstrip()}\n")
    if hint:
        text.append(f"\n{hint}")
    # All at once: a live picture would be drawn between two parts of a line.
    (console or error_console()).print(text)


def _print_own_error(error: Exception) -> None:
    print_error(
        f"{type(error).__name__}: {error}",
        "This is a mistake in tamias itself; with TAMIAS_DEBUG=1 in the environment it says where.",
    )


def _print_tamias_error(error: TamiasError) -> None:
    details = error.user_traceback if isinstance(error, AgentFailedError) else ""
    print_error(error.message, error.hint, details)


def _debug() -> None:
    if os.environ.get("TAMIAS_DEBUG"):
        traceback.print_exc()

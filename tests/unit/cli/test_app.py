"""What the command lists, and what it imports for that."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest
import typer.main
from typer.testing import CliRunner

from tamias.cli.app import SUBCOMMANDS, application

if TYPE_CHECKING:
    from collections.abc import Iterator

IMPORTED = """
import sys
from typer.testing import CliRunner
from tamias.cli.app import application

done = CliRunner().invoke(application(""), ["--help"])
assert done.exit_code == 0, done.output
print(*(name for name in sys.modules if name.startswith(("tamias.launcher.jobs", "tamias.worker"))))
"""


INTERRUPTED = """
import os, signal, time
from tamias.cli import app

signal.signal(signal.SIGINT, signal.default_int_handler)

def importing(asked):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)

app.application = importing
app.main()
"""


def help_of(asked: str | None) -> str:
    return CliRunner().invoke(application(asked), ["--help"], prog_name="tamias").output


@pytest.mark.process
def test_the_list_imports_no_subcommand() -> None:
    command = [sys.executable, "-c", IMPORTED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "tamias.worker.process" not in done.stdout
    assert "tamias.launcher.jobs.file_job" not in done.stdout


@pytest.mark.process
def test_ctrl_c_before_anything_has_begun_is_no_traceback() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "error: Interrupted.\n")


def test_the_list_is_that_of_the_subcommands() -> None:
    listed, whole = (
        re.findall(r"^  ([a-z-]+)  ", help_of(asked), re.MULTILINE) for asked in ("", None)
    )
    assert sorted(listed) == sorted(whole)
    assert set(SUBCOMMANDS) <= set(listed)
    assert all(place.help for place in SUBCOMMANDS.values())


def test_what_there_is_not_is_refused_with_what_is_meant() -> None:
    done = CliRunner().invoke(application("memry"), ["memry"], prog_name="tamias")
    assert done.exit_code == 2
    assert "'memory'" in done.output


def test_nothing_that_is_listed_is_cut_off() -> None:
    for name in ("", *(name for name, place in SUBCOMMANDS.items() if not place.function)):
        words = [name, "--help"] if name else ["--help"]
        done = CliRunner().invoke(application(name), words, prog_name="tamias")
        assert "..." not in done.output.partition("Commands:")[2], name


def test_every_exit_code_is_named() -> None:
    codes = re.findall(r"[:;] (\d+) ", " ".join(help_of("").partition("Exit codes")[2].split()))
    assert codes == ["0", "1", "2", "3", "4", "130"]


def _commands(command: Any, name: str = "tamias") -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, each in getattr(command, "commands", {}).items():
        yield from _commands(each, f"{name} {word}")


def test_who_may_not_read_a_state_directory_is_told_by_tamias_itself() -> None:
    checked_by_typer = [
        name
        for name, command in _commands(typer.main.get_command(application()))
        if command.callback
        for hint in get_type_hints(command.callback, include_extras=True).values()
        for info in getattr(hint, "__metadata__", ())
        if "STATE_DIR" in str(getattr(info, "metavar", "")) and info.readable
    ]
    assert checked_by_typer == []


def test_what_is_to_be_copied_from_a_help_is_in_one_line() -> None:
    done = CliRunner().invoke(application("schema"), ["schema", "--help"], prog_name="tamias")
    assert "# yaml-language-server: $schema=agents.schema.json\n" in done.output


def test_a_group_says_what_it_is_for() -> None:
    for name, place in SUBCOMMANDS.items():
        if not place.function:
            words = [name, "--help"]
            done = CliRunner().invoke(application(name), words, prog_name="tamias")
            assert place.help[:40] in done.output

"""`tamias flink-agents`: runs programs of Flink Agents, checks them, and moves them to tamias.

The command `tamias` finds the group by its entry point, and prints the errors.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from ..agent.errors import UsageError
from .checking import check_program, readable_program
from .dialect import DIALECTS
from .migrating import migrated, neighbours_to_migrate
from .running import command_of, environment_of, program_of_module

app = typer.Typer(
    help="Run programs written for Apache Flink Agents, check them, move them to tamias.",
    short_help="Run programs of Flink Agents, check them, move them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_UNSUPPORTED: Final = 1

Dialect = Annotated[
    str,
    typer.Option(
        "--dialect",
        metavar="D",
        help=f"The version that the program is written for: {', '.join(DIALECTS)}. By itself, it "
        "is told from the program.",
    ),
]
Program = Annotated[Path, typer.Argument(metavar="PROGRAM.py")]


def run(
    words: Annotated[list[str] | None, typer.Argument(metavar="PROGRAM.py [ARGS]...")] = None,
    *,
    module: Annotated[
        str, typer.Option("-m", metavar="MODULE", help="A module as program, as for Python.")
    ] = "",
    dialect: Dialect = "",
) -> int:
    """Run a program as it is, with nothing installed for it; its workers, too.

    The exit code is the program's; 3 if it would be 0, and inputs were set aside.
    """
    arguments = words or []
    if not module and not arguments:
        raise UsageError("There is no program.", hint="Name its file, or a module with -m.")
    if not module and arguments[0].startswith("-"):
        raise UsageError(f"No such option: {arguments[0]}", hint="--help shows those of `run`.")
    program = program_of_module(module) if module else Path(arguments[0])
    readable_program(program)
    environment = environment_of(program, _known(dialect))
    command = command_of(arguments, module)
    sys.stdout.flush()
    os.execve(command[0], command, environment)  # noqa: S606 (there is no shell)


def check(
    programs: Annotated[list[Path], typer.Argument(metavar="PROGRAM.py...")],
    *,
    dialect: Dialect = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> int:
    """Say what of a program is not supported, with its lines, before anything runs.

    Exit codes: 0 nothing is missing; 1 something is; 2 no such program.
    """
    _known(dialect)
    code = 0
    for program in programs:
        report = check_program(program, dialect)
        code = code if report.is_supported else _UNSUPPORTED
        for each in report.findings:
            if as_json:
                record = {**each._asdict(), "path": _shown(each.path)}
                typer.echo(json.dumps(record, ensure_ascii=False))
            else:
                typer.echo(f"{_shown(each.path)}:{each.line}: {each.kind}: {each.text}")
        missing = sum(each.kind == "missing" for each in report.findings)
        if as_json:
            summary = {"program": str(program), "dialect": report.dialect, "files": report.files}
            typer.echo(json.dumps({**summary, "missing": missing}, ensure_ascii=False))
        else:
            of = f"Flink Agents {report.dialect}" if report.dialect else "no single version"
            files = "1 file" if report.files == 1 else f"{report.files} files"
            result = f"{missing} missing" if missing else "nothing is missing"
            typer.echo(f"{program}: {of}, {files}, {result}")
    return code


def migrate(
    programs: Annotated[list[Path], typer.Argument(metavar="PROGRAM.py...")],
    *,
    dialect: Dialect = "",
    write: Annotated[
        bool, typer.Option("--write", help="Change the files; without it, only show how.")
    ] = False,
) -> int:
    """Turn imports of flink_agents into imports of tamias, shown as a diff.

    Names that tamias has no public name for are left and named. Exit codes: 0 nothing is left
    to do; 1 names are left; 2 no such program.
    """
    _known(dialect)
    is_left = False
    given = {program.absolute() for program in programs}
    for program in programs:
        readable_program(program)
        result = migrated(program, dialect)
        typer.echo(result.diff(_shown(program)), nl=False)
        if write and result.text != result.before:
            with program.open("w", encoding="utf-8", newline="") as file:
                file.write(result.text)
        others = [each for each in neighbours_to_migrate(program) if each not in given]
        for line, text in result.left:
            typer.echo(f"{_shown(program)}:{line}: left: {text}", err=True)
        for each in others:
            typer.echo(f"{_shown(program)}: left: {_shown(each)}, which it imports", err=True)
        is_left = is_left or bool(result.left or others)
    return _UNSUPPORTED if is_left else 0


def _known(dialect: str) -> str:
    if dialect and dialect not in DIALECTS:
        msg = f"--dialect {dialect} is not known."
        raise UsageError(msg, hint=f"One of {', '.join(DIALECTS)}.")
    return dialect


def _shown(path: Path) -> str:
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


_PASSED_ON: Final = {"allow_interspersed_args": False, "ignore_unknown_options": True}
app.command("run", short_help="Run a program.", context_settings=_PASSED_ON)(run)
app.command("check", short_help="Say what of a program is not supported.")(check)
app.command("migrate", short_help="Turn its imports into those of tamias.")(migrate)

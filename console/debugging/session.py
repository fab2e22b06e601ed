"""A session: finds a run, says what is known of it, executes it again, and says what came of it.

It is called by the command, or, where the agent has a Python environment of its own, by a process
of that interpreter (`main`). So nothing here needs what commands need.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from bdb import BdbQuit
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...agent.config.configuration import Configuration
from ...agent.failures.error_text import one_line
from ...agent.plan import AgentPlan
from ...store import clock
from ...store.encoding.keys import decode_key
from ...store.encoding.values import loads
from ...store.records.journal import ACTION, CALL
from ...store.records.offsets import RunKind, kind_of
from ...store.state.scratch import make_scratch
from ...worker.durable.call_log import CallRecord
from ...worker.importing.target_loader import load_target
from .calls import CallDecisions, EndedByUser
from .contained import contained
from .debugger import RunDebugger, stop_at_breakpoints
from .found_run import find_run
from .main_program import be_main
from .replay import replay
from .scratch_store import without_last_failures

if TYPE_CHECKING:
    from collections.abc import Callable

    from .found_run import FoundRun
    from .replay import Outcome

__all__ = ["ENDED", "FAILED", "SUCCEEDED", "Request", "debug"]

SUCCEEDED: Final = 0
FAILED: Final = 1
ENDED: Final = 130

_DEADLY: Final = ("crash", "memory")
"""Causes of dead letters whose runs may end the process."""
_LONGEST: Final = 300
_SHOWN: Final = 20


@dataclass
class Request:
    """What is to be executed again, and how."""

    state: str
    offset: int
    target: str
    folder: str | None
    """Where the agent's modules are looked for, too."""
    config: dict[str, Any]
    output_codec: str = "pickle"
    changed: tuple[str, ...] = ()
    """Files of the agent's code that are not what they were."""
    calls: str = "ask"
    break_at: str | None = None
    all_actions: bool = False
    repeats_failed: bool = False
    is_main: bool = False
    """Whether the agent was defined by a program, in its module `__main__`."""
    interactive: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        return asdict(self)


def debug(request: Request, write: Callable[[str], None]) -> int:
    """Execute a run again; return the exit code.

    Args:
        request: what is wanted.
        write: prints a line.

    Raises:
        TamiasError: there is no such run, or the agent cannot be imported.
    """
    found = find_run(Path(request.state), request.offset)
    agent = load_target(request.target, Path(request.folder) if request.folder else None)
    if request.is_main:
        be_main(agent)
    plan = AgentPlan.compile(agent, Configuration(request.config))
    if found.cause in _DEADLY:
        return contained(lambda: _execute(found, plan, request, write), write)
    return _execute(found, plan, request, write)


def _execute(
    found: FoundRun, plan: AgentPlan, request: Request, write: Callable[[str], None]
) -> int:
    for line in _about(found, request):
        write(line)
    debugger = RunDebugger(
        CallDecisions(request.calls, write),
        write,
        interactive=request.interactive,
        break_at=request.break_at,
    )
    if request.interactive:
        stop_at_breakpoints()
    scratch = make_scratch("none")
    moved = found.record.at - clock.now() if found.record.at else 0.0
    clock.advance(moved)  # `ctx.now` goes on from there
    loop = asyncio.new_event_loop()
    try:
        outcome = loop.run_until_complete(
            replay(
                found,
                plan,
                Path(request.state),
                scratch,
                debugger,
                output_codec=request.output_codec,
                all_actions=_calls_all(found, request),
                repeats_failed=request.repeats_failed,
            )
        )
    except KeyboardInterrupt:
        return ENDED
    finally:
        clock.advance(-moved)
        loop.close()
        shutil.rmtree(scratch, ignore_errors=True)
    return _report(outcome, debugger, write)


def _calls_all(found: FoundRun, request: Request) -> bool:
    """Whether all actions are called; of a failed run by default only those that had not ended."""
    return request.all_actions or found.record.status == "succeeded" or bool(request.break_at)


# -- what is known of the run -----------------------------------------------------------------


def _about(found: FoundRun, request: Request) -> list[str]:
    record = found.record
    kind = RunKind(kind_of(record.number))
    named = {RunKind.INPUT: "input", RunKind.TIMER: "timer", RunKind.END: "end of the input"}
    what = f"{named.get(kind, 'run')} {record.offset}, key {decode_key(record.key)!r}"
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.at))
    if found.is_letter:
        what += f": a dead letter ({found.cause}) of {at}"
    else:
        what += f": recorded at {at}, {record.status}"
    lines = [what]
    if record.error:
        action = f" in action {record.action!r}" if record.action else ""
        lines.append(f"failed{action}: {record.error}")
    if request.changed:
        lines.append(f"changed since: {', '.join(request.changed)}")
    lines += _about_memory(found)
    lines += _about_calls(found, request)
    lines.append("nothing is sent or kept; what the code does outside of durable calls is done")
    return lines


def _about_memory(found: FoundRun) -> list[str]:
    material = found.record.material
    then = material.memory
    if then is None:
        why = "too large to be kept" if "memory" in material.left_out else "not on record"
        return [f"memory: as it is now ({why}); later runs of the key may have changed it"]
    text = "memory: as it was before the run"
    if not material.is_complete:
        text += ", as far as it is on record; the rest as it is now"
    changed = []
    for path in sorted({*then, *(found.memory if material.is_complete else ())}):
        before, now = then.get(path), found.memory.get(path)
        if before != now:
            changed.append(f"  {path}: {_value(before)}, now {_value(now)}")
    lines = [text]
    if changed:
        lines.append("  later runs have changed it since:")
        lines += [f"  {line}" for line in changed[:_SHOWN]]
        if len(changed) > _SHOWN:
            lines.append(f"    ... and {len(changed) - _SHOWN} more")
    if found.sets:
        lines.append("memory sets: as they are now")
    return lines


def _value(data: bytes | None) -> str:
    if data is None:
        return "nothing"
    try:
        return _short(loads(data)) if data else "an object"
    except Exception as error:  # noqa: BLE001 (a class that is gone)
        return f"<{one_line(error)}>"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _about_calls(found: FoundRun, request: Request) -> list[str]:
    material = found.record.material
    if "journal" in material.left_out:
        return ["durable calls: their outcomes were too large to be kept"]
    lines = []
    journal = material.journal
    if request.repeats_failed:
        journal = without_last_failures(journal)
    records = [
        CallRecord.decode(entry.index, entry.data) for entry in journal if entry.kind == CALL
    ]
    if records:
        more = f", ... ({len(records)} in all)" if len(records) > _SHOWN else ""
        calls = [_call(record) for record in records[:_SHOWN]]
        lines.append(f"durable calls on record: {', '.join(calls)}{more}")
    if len(without_last_failures(journal)) < len(journal):
        lines.append("the last one has raised: --repeat-failed has it made again")
    ended = sum(entry.kind == ACTION for entry in material.journal)
    if ended and not _calls_all(found, request):
        lines.append(
            f"actions that had ended, and are taken from the record: {ended} (--all-actions calls"
            " them, too)"
        )
    return lines


def _call(record: CallRecord) -> str:
    return record.name if record.succeeded or record.kind else f"{record.name} (raised)"


# -- what has come of it ----------------------------------------------------------------------


def _report(outcome: Outcome, debugger: RunDebugger, write: Callable[[str], None]) -> int:
    if isinstance(debugger.error, (BdbQuit, EndedByUser, KeyboardInterrupt)):
        write("ended")
        return ENDED
    for notice in outcome.notices:
        write(f"notice: {notice}")
    if outcome.error is not None:
        write(f"the run could not be executed to its end: {one_line(outcome.error)}")
        return FAILED
    if outcome.failure is not None:
        if debugger.error is None and outcome.failure.get("traceback"):
            write(str(outcome.failure["traceback"]).rstrip())
        write(f"the run has failed: {outcome.failure['error']}")
        return FAILED
    write("the run has succeeded; what it would have sent and kept:")
    for output in outcome.outputs:
        write(f"  output: {_short(output)}")
    for path, value in outcome.memory.items():
        write(f"  memory: {path} = {_short(value)}")
    for path in outcome.deleted:
        write(f"  memory: {path} is deleted")
    if not (outcome.outputs or outcome.memory or outcome.deleted):
        write("  nothing")
    return SUCCEEDED

"""A job from an input file to an output file, as the command line describes it."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent.config.options import PoolOptions
from ...agent.errors import ConfigError, StoreError, UsageError
from ...store.lease import Lease
from ...store.state.directory import StateDirectory, StateView
from ..delivery.checkpointed import CheckpointedDelivery
from ..logs.end_report import keep_output
from ..pool.reader import check_beginning
from ..sinks.jsonlines import JsonLinesSink
from ..sources.factory import open_source
from .command_spec import CommandSpec
from .fresh import begun_anew, delete_replaced
from .job import Job
from .smoke import smoke_runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..pool.status import PoolStatus
    from .report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec(CommandSpec):
    """A file job as the command line describes it. Paths are absolute, or "-"."""

    input: str
    output: str = "-"
    key: str | None = None
    input_format: str | None = None
    ordered: bool = False
    on_error: str = "dead-letter"

    @property
    def failure_policy(self) -> str:
        """As `CommandSpec.failure_policy`."""
        return self.on_error

    @classmethod
    def recorded(cls, state: Path, secrets: Mapping[str, Any] | None = None) -> JobSpec:
        """Return the job that a state directory was made for.

        Args:
            state: the state directory.
            secrets: settings among which are those that are not on record.

        Raises:
            UsageError: a secret is missing.
            StoreError: there is no such directory, or a program has made it, not a command.
        """
        with StateDirectory.view(state) as view:
            return cls.of_record(_recorded(view), secrets)


def run_file_job(
    spec: JobSpec,
    state_path: Path,
    *,
    overwrite: bool = False,
    fresh: bool = False,
    scratch: Path | None = None,
    on_status: Callable[[PoolStatus], None] | None = None,
    on_output: Callable[[str], None] | None = None,
) -> Report:
    """Run a job from file to file, or resume it.

    Args:
        spec: the job.
        state_path: its state directory, which need not exist.
        overwrite: allow a new job to empty an output file that exists.
        fresh: begin anew, in place of the state and output of earlier runs; they are lost when the
            new job has begun, and kept if a mistake in the command ends it before.
        scratch: the folder to delete if this process is killed, for temporary state.
        on_status: called a few times a second in the pool's loop: it should be quick.
        on_output: called with each line that workers print, under the option `show-logs`.

    Raises:
        TamiasError: as `Pool.run`, or an error of the state, input or output. A job that could not
            begin because of a mistake in the command leaves no files.
    """
    if fresh:
        with begun_anew(state_path, _written_output(spec, state_path)):
            return run_file_job(
                spec,
                state_path,
                overwrite=overwrite,
                scratch=scratch,
                on_status=on_status,
                on_output=on_output,
            )
    if state_path.exists():
        delete_replaced(state_path, spec.output)
    job = Job(
        spec.agent_spec(),
        spec.launch(),
        scratch=scratch,
        controllable=scratch is None,
        ends_input=True,
        smoke=smoke_runner(spec.key, spec.input_format),
        on_status=on_status,
        on_output=on_output,
    )
    with (
        open_source(spec.input, spec.key, spec.input_format) as source,
        job.open_state(state_path, {"spec": spec.record(), "input": source.identity()}) as state,
        _undone_after_mistakes(state, spec.output),
    ):
        check_same_job(spec, state)
        source.check(state.manifest.job["input"])
        if state.progress.load() is None:
            _check_beginning(spec, job.config.get(PoolOptions.MALFORMED_LIMIT))
        if state.manifest.job["spec"] != spec.record():
            state.save_job({**state.manifest.job, "spec": spec.record()})
        sink = JsonLinesSink(
            spec.output,
            ordered=spec.ordered,
            sync=state.manifest.durability == "machine",
            overwrite=overwrite,
        )
        return job.run(state, source, CheckpointedDelivery(sink, state.progress, source))


@contextmanager
def _undone_after_mistakes(state: StateDirectory, output: str) -> Iterator[None]:
    """Remove what a job has created, if a mistake in the command ends it before it begins.

    For example, the agent's name is misspelt, or the output exists. The corrected command must not
    find a state directory that was made for another agent.
    """
    new_output = output != "-" and not Path(output).exists()
    try:
        yield
    except (ConfigError, UsageError, StoreError) as error:
        if not _has_had_workers(state):
            if new_output:
                with suppress(OSError):
                    Path(output).unlink()
            keep_output(state.path, error)
            state.destroy()
        raise


def _has_had_workers(state: StateDirectory) -> bool:
    """Whether a worker has ever had one of the shards, which this process has made.

    If they are gone, one may have had them.
    """
    if not state.layout.shards.is_dir():
        return True
    holders = (Lease.last_holder(path / "lease") for path in state.layout.shards.iterdir())
    return any(holder not in (None, os.getpid()) for holder in holders)


def _check_beginning(spec: JobSpec, limit: int) -> None:
    """Make sure that not all records at the beginning of a file are malformed.

    A stream cannot be read twice, so only its reader can find that.

    Raises:
        InputError: they are.
    """
    if limit and Path(spec.input).is_file():
        with open_source(spec.input, spec.key, spec.input_format) as source:
            check_beginning(source.read(limit), limit)


def _written_output(spec: JobSpec, state: Path) -> str | None:
    """Return the output if it is the one that the job of a state directory has written.

    Raises:
        StoreError: there is something else than the state directory of such a job.
    """
    if not StateDirectory.is_made(state) or spec.output == "-":
        return None
    with StateDirectory.view(state) as view:
        return spec.output if _recorded(view).get("output") == spec.output else None


def _recorded(view: StateView) -> dict[str, Any]:
    """Return the job that a command has recorded in a state directory's manifest."""
    spec = view.manifest.job.get("spec")
    if not isinstance(spec, dict):
        is_service = "service" in view.manifest.job
        raise StoreError(
            f"{view.path} was not made by `tamias run`, so a command cannot carry it on.",
            hint=f"It is the state of a service: start that again, with `tamias serve TARGET"
            f" --state {view.path}`."
            if is_service
            else "Run the program that made it again, with the same state directory.",
        )
    return spec


def check_same_job(spec: JobSpec, state: StateView) -> None:
    """Refuse a command that would mix another job into the state directory."""
    recorded = _recorded(state)
    for name in ("input", "output", "key", "input_format", "ordered"):
        was, now = recorded.get(name), getattr(spec, name)
        if was != now:
            raise UsageError(
                f"{state.path} belongs to a job with {_flag(name, was)}; this command has "
                f"{_flag(name, now)}.",
                hint="Repeat the command as it was, or name another state directory (--state).",
            )


def _flag(name: str, value: object) -> str:
    flag = "--" + name.replace("_", "-")
    if value is None or value is False:
        return f"no {flag}"
    return flag if value is True else f"{flag} {value}"

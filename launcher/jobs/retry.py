"""Retrying dead letters: the inputs that a job has set aside are run once more, exactly once.

A retry is a run of the job with another source: its inputs come from the dead letters. It is
exactly once, because the letter holds all that a retry needs, and is removed in the commit of the
run. One transaction of the worker stores the run's memory changes and outputs and removes the
letter; or, if the run fails again, replaces it by one with a higher number of retries. So,
whichever process is killed at any instant, a letter that exists has not been retried, and for one
that was removed the outputs are in the outbox. The next run of the job, a normal one or a retry,
delivers them.

The retried input has a number of its own (`store.records.offsets`), made of its offset and the
number of the retry. The done offsets contain the input's own offset since it became a dead letter,
so they cannot show whether a retry's outputs were delivered; the position of the record in the
outbox does (`Checkpoint.is_new_retry`). Runs that have no input are put back into their shards
(`requeue`). A counter of rounds in the launcher's record would do, too,
but it would have to stay consistent with letters that fail again in an interrupted round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from ...agent.errors import UsageError
from ...store.records.offsets import is_owned, offset_of, owned_number, retries_of
from ...store.state.reader import StoreReader
from ..delivery.checkpoint import Checkpoint
from ..delivery.checkpointed import CheckpointedDelivery
from ..sinks.jsonlines import JsonLinesSink
from ..sources.dead_letters import DeadLetterSource, RetryCandidate
from .job import Job
from .requeue import requeue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ...store.records.dead_letters import DeadLetter
    from ...store.shard.snapshot import Snapshot
    from ..pool.status import PoolStatus
    from .file_job import JobSpec
    from .report import Report


@dataclass(slots=True)
class RetryReport:
    """The result of a retry."""

    finished: bool
    """False if it was interrupted; the same command resumes it."""
    succeeded: list[int]
    """Offsets of inputs whose runs have succeeded."""
    failed: list[int]
    """Offsets of those that are dead letters again."""
    untried: list[int]
    """Offsets of those that were not run before an interruption."""
    malformed: list[int]
    """Offsets of records that cannot be read as inputs, so they cannot be run."""
    waiting: list[int]
    """Offsets of those whose runs wait; the job goes on with them when they are due."""
    job: Report | None
    """None if there was nothing to do."""


def retry_dead_letters(
    spec: JobSpec,
    state_path: Path,
    offsets: Sequence[int] | None = None,
    *,
    on_status: Callable[[PoolStatus], None] | None = None,
) -> RetryReport:
    """Run inputs out of the dead letters again, and append their outputs to the job's output.

    An exception makes the input a dead letter again, also if the job's `on-error` says otherwise.

    Args:
        spec: the job that the state directory belongs to.
        state_path: the state directory.
        offsets: which inputs; None for all.
        on_status: as for `run_file_job`.

    Raises:
        UsageError: one of the offsets has no dead letter.
        TamiasError: as `run_file_job`.
    """
    job = Job(
        replace(spec.agent_spec(), on_error="dead-letter"),
        spec.launch(),
        controllable=False,
        on_status=on_status,
    )
    with job.open_state(state_path, {}) as state:
        with StoreReader(state_path) as reader:
            left = _undelivered(reader)
            choice = _choose(reader, offsets, left)
        requeue(state, choice.owned)
        with StoreReader(state_path) as reader:
            report = None
            if choice.inputs or choice.owned or left:
                source = DeadLetterSource(reader, choice.inputs, choice.codec)
                sink = JsonLinesSink(
                    spec.output, ordered=spec.ordered, sync=state.manifest.durability == "machine"
                )
                report = job.run(state, source, CheckpointedDelivery(sink, state.progress))
            return _report(reader, choice, left, report)


def _report(
    reader: StoreReader, choice: _Choice, left: list[int], job: Report | None
) -> RetryReport:
    """Find out what has become of the letters."""
    result = RetryReport(job is None or job.finished, left, [], [], choice.malformed, [], job)
    for candidate in sorted(choice.inputs, key=lambda candidate: candidate.offset):
        with reader.shard(candidate.shard) as snapshot:
            letter = snapshot.dead_letter(candidate.offset) if snapshot is not None else None
            waits = snapshot is not None and _waits(snapshot, candidate)
        if waits:
            result.waiting.append(candidate.offset)
        elif letter is None:
            result.succeeded.append(candidate.offset)
        elif letter.retries > candidate.retries:
            result.failed.append(candidate.offset)
        else:
            result.untried.append(candidate.offset)
    for shard, before in choice.owned:
        number = before.offset
        with reader.shard(shard) as snapshot:
            if snapshot is not None and snapshot.waiting.is_owned(number):
                result.waiting.append(number)
            elif snapshot is not None and snapshot.dead_letter(number) is not None:
                result.failed.append(number)
            else:
                result.succeeded.append(number)
    result.succeeded.sort()
    return result


def _waits(snapshot: Snapshot, candidate: RetryCandidate) -> bool:
    """Whether the run of a retried input is suspended."""
    return snapshot.waiting.is_owned(owned_number(candidate.number))


def _undelivered(reader: StoreReader) -> list[int]:
    """Return the offsets of retried inputs whose outputs an interrupted retry did not deliver."""
    record = reader.view.progress.load()
    checkpoint = Checkpoint() if record is None else Checkpoint.load(record)
    return [
        offset_of(number)
        for shard, sequence, outputs in reader.outbox()
        if any(map(retries_of, outputs.offsets)) and checkpoint.is_new_retry(shard, sequence)
        for number in outputs.offsets
        if retries_of(number) and number not in outputs.suspended
    ]


class _Choice(NamedTuple):
    """The letters that are retried."""

    inputs: list[RetryCandidate]
    codec: str
    """The encoding of these inputs."""
    owned: list[tuple[int, DeadLetter]]
    """Those of runs without an input, with their shards."""
    malformed: list[int]
    """Those that cannot be retried."""


def _choose(reader: StoreReader, offsets: Sequence[int] | None, left: Sequence[int]) -> _Choice:
    """Find the letters that are to be retried.

    An offset in `left` was a letter when an interrupted retry began.
    """
    wanted = None if offsets is None else set(offsets)
    choice = _Choice([], "json-value", [], [])
    codecs = set()
    for number in range(reader.view.manifest.shards):
        with reader.shard(number) as snapshot:
            for letter in snapshot.dead_letters() if snapshot is not None else ():
                if wanted is not None and letter.offset not in wanted:
                    continue
                if is_owned(letter.offset):
                    choice.owned.append((number, letter))
                elif letter.cause == "bad-input":
                    choice.malformed.append(letter.offset)
                else:
                    choice.inputs.append(RetryCandidate(letter.retries, letter.offset, number))
                    codecs.add(letter.codec)
    if wanted is not None:
        known = {
            *(candidate.offset for candidate in choice.inputs),
            *(letter.offset for _, letter in choice.owned),
            *choice.malformed,
            *left,
        }
        missing = sorted(wanted - known)
        if missing:
            raise UsageError(
                f"There is no dead letter of input {', '.join(map(str, missing))}.",
                hint="tamias dead-letters list says which there are.",
            )
    choice.malformed.sort()
    return choice._replace(codec=codecs.pop()) if codecs else choice

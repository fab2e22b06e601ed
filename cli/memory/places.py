"""Where else than in shards there is something of a key: logs, a service's requests, other files.

A further place is another entry of `_PLACES`.
"""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...agent.config.agent_options import ModelOptions
from ...agent.errors import UsageError
from ...launcher.logs.lines_of_key import count_lines, remove_lines
from ...launcher.reload import generation_record
from ...launcher.sinks.spool_of_key import erase_outputs, find_outputs
from ...launcher.sources.input_keys import InputKeys
from ...service.at_rest.requests_of_key import RequestsOfKey, forget_requests, is_marked
from ...store.at_rest.forgetting import rewritten
from ...store.encoding.json_text import key_to_json
from ...store.encoding.keys import decode_key, encode_key, shard_of
from ...store.encoding.values import loads
from ...store.files import write_json
from ...store.records.offsets import RunKind, kind_of, offset_of, owned_number
from ...store.state.reader import StoreReader
from ...worker.recording.reading import count_runs, remove_runs
from ...worker.tracing.erasing import count_traces, remove_traces
from ..text import count, shown, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from ...store.at_rest.erasing import Erasure, Scope
    from ...store.at_rest.forgetting import Rewritten
    from ...store.state.directory import StateDirectory, StateView

__all__ = [
    "OwnerOfRuns",
    "check_requests",
    "erase_elsewhere",
    "found_elsewhere",
    "is_known_elsewhere",
    "left_over",
    "rewrite_requests",
]

_FORGOTTEN: Final = "(forgotten)"


class OwnerOfRuns:
    """Whose runs and outputs are, by what the job has on record: an `Attribution`."""

    def __init__(self, view: StateView, key: bytes) -> None:
        """What a service knows of `key` is looked up now, since it is removed before the shard."""
        job = view.manifest.job
        self._is_service = "service" in job
        self._is_command = "spec" in job
        self._requests = RequestsOfKey(view.layout.intake)
        self._own = {request.offset: key for request in self._requests.of(key)}
        self._inputs = InputKeys(job, view.progress.load())

    def key_of_run(self, number: int) -> bytes | None:
        """A service has the keys of inputs on record; those of a file are read from it."""
        if kind_of(number) != RunKind.INPUT:
            return None
        offset = offset_of(number)
        if self._is_service:
            return self._own.get(offset) or self._requests.key_of(offset)
        return self._inputs.key_of(offset) if self._is_command else None

    def close(self) -> None:
        """Close the input."""
        self._inputs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_output_of(self, key: bytes, number: int, output: memoryview) -> bool | None:
        """Lines of a command, and pickles of a program, have the key in them."""
        if self._is_service:
            # One whose submission is not there any more has nobody to go to, so it may go, too.
            return self.key_of_run(number) in (None, key)
        if self._is_command:
            begin = b'{"key":%b,' % key_to_json(key)
            return bytes(output[: len(begin)]) == begin
        try:
            (found,) = loads(output)
            return encode_key(found) == key
        except Exception:  # noqa: BLE001 (a class that cannot be imported here may raise anything)
            return None


def check_requests(view: StateView, key: bytes) -> None:
    """Check that no submission of a key to a service is yet to be run.

    Raises:
        UsageError: there are some.
    """
    requests = [one for one in RequestsOfKey(view.layout.intake).of(key) if not one.is_answered]
    with (
        StoreReader(view.path) as reader,
        reader.shard(shard_of(key, view.manifest.shards)) as snapshot,
    ):
        waiting = None if snapshot is None else snapshot.waiting
        new = [
            one.offset
            for one in requests
            if waiting is None or not waiting.is_owned(owned_number(one.offset))
        ]
    if new:
        raise UsageError(
            f"{count(len(new), 'submission')} of this key {'is' if len(new) == 1 else 'are'} yet to"
            " be run.",
            hint="Start the service and have it finish what it has (tamias drain "
            f"{typed(view.path)}), and forget then.",
        )


class Place(NamedTuple):
    """A place with something of a key.

    Attributes:
        kind: what its entries are counted as.
        find: returns how many there are.
        erase: removes them, of a state directory that this process has locked, and returns how
            many they were.
        is_of_key: whether what is found is of that key for certain; else it may be of any.
    """

    kind: str
    find: Callable[[StateView, bytes], int]
    erase: Callable[[StateView, bytes], int]
    is_of_key: bool = True


def _submissions(view: StateView, key: bytes) -> int:
    return len(RequestsOfKey(view.layout.intake).of(key))


def _forget_submissions(view: StateView, key: bytes) -> int:
    found = RequestsOfKey(view.layout.intake).of(key)
    if found:
        sync = view.manifest.durability == "machine"
        forget_requests(view.layout.intake, found, sync=sync)
    return len(found)


def _failures(view: StateView, _: bytes) -> int:
    status = view.status() or {}
    failures: dict[str, Any] = status.get("failures") or {}
    held = [worker for worker in status.get("workers") or () if worker.get("held")]
    errors = [first for first in failures.values() if first[-1] != _FORGOTTEN]
    return len(errors) + len(held)


def _forget_failures(view: StateView, key: bytes) -> int:
    """Remove texts in which anything may be from the status of the last life.

    These are errors of inputs, and what held up a worker when it was killed.
    """
    found = _failures(view, key)
    if found:
        status = view.status() or {}
        status["failures"] = {
            kind: [*first[:-1], _FORGOTTEN]
            for kind, first in (status.get("failures") or {}).items()
        }
        for worker in status.get("workers") or ():
            worker["held"] = ""
        write_json(view.layout.status, status, sync=view.manifest.durability == "machine")
    return found


def _vectors(view: StateView, _: bytes) -> int:
    folder = view.layout.reembedding
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def _forget_vectors(view: StateView, key: bytes) -> int:
    found = _vectors(view, key)
    shutil.rmtree(view.layout.reembedding, ignore_errors=True)
    return found


def _is_of(view: StateView, key: bytes) -> Callable[[int, memoryview], bool | None]:
    """Whether an output that a program's job keeps is of a key."""
    owner = OwnerOfRuns(view, key)
    return lambda number, output: owner.is_output_of(key, number, output)


_PLACES: Final = (
    Place("submissions", _submissions, _forget_submissions),
    Place(
        "log_lines",
        lambda view, key: count_lines(view.layout.pool_log, decode_key(key)),
        lambda view, key: remove_lines(view.layout.pool_log, decode_key(key)),
    ),
    Place(
        "recorded_runs",
        lambda view, key: count_runs(view.layout.recordings, key),
        lambda view, key: remove_runs(view.layout.recordings, key),
    ),
    Place(
        "traces",
        lambda view, key: count_traces(view.layout.events, key),
        lambda view, key: remove_traces(view.layout.events, key),
    ),
    Place("errors_in_status", _failures, _forget_failures, is_of_key=False),
    Place("kept_vectors", _vectors, _forget_vectors, is_of_key=False),
    Place(
        "kept_outputs",
        lambda view, key: find_outputs(view, _is_of(view, key)).of_key,
        lambda view, key: erase_outputs(view, _is_of(view, key)).of_key,
    ),
)
"""In this order: a submission that waits is answered before its run is removed. A command that is
killed in between then finds the run, and not a submission without one."""


def found_elsewhere(view: StateView, key: bytes, scope: Scope) -> Counter[str]:
    """How much there is of a key, by kind."""
    places = _PLACES if scope.everything else ()
    return +Counter({place.kind: place.find(view, key) for place in places})


def is_known_elsewhere(view: StateView, key: bytes, scope: Scope) -> bool:
    """Whether there is something that is of a key, and of no other."""
    places = _PLACES if scope.everything else ()
    return any(place.is_of_key and place.find(view, key) for place in places)


def erase_elsewhere(state: StateDirectory, key: bytes, scope: Scope) -> Counter[str]:
    """Remove it, and return how much it was.

    Raises:
        StoreError: a file cannot be written. What was removed until then is removed.
    """
    places = _PLACES if scope.everything else ()
    return +Counter({place.kind: place.erase(state, key) for place in places})


def rewrite_requests(state: StateDirectory) -> list[Rewritten]:
    """Write the request log anew, if something was removed from it."""
    intake = state.layout.intake
    return [rewritten(intake)] if is_marked(intake) else []


def left_over(view: StateView, found: Erasure, scope: Scope, key: bytes) -> dict[str, str]:
    """What is not removed, by its place."""
    left = dict(_files_of_job(view))
    unknown = find_outputs(view, _is_of(view, key)).unknown
    if unknown:
        left[shown(view.layout.outputs)] = f"{count(unknown, 'output')} that cannot be read here"
    if found.malformed:
        left["dead letters"] = (
            f"{count(found.malformed, 'record')} that cannot be read, without key"
        )
    if found.unknown_outputs:
        left["outbox"] = (
            f"{count(found.unknown_outputs, 'output')} of unknown key, not delivered yet"
        )
    outcomes = RequestsOfKey(view.layout.intake).outcomes()
    if outcomes:
        left["request log"] = (
            f"{count(outcomes, 'outcome')} of unknown keys; gone when clients acknowledge them"
        )
    if view.layout.pool_log.exists():
        left[shown(view.layout.pool_log)] = "lines of the log without a key"
    if not scope.everything:
        left["the rest of the key"] = "only sets were meant"
    left["other keys"] = "what their memory and their waiting runs say about it"
    left["copies"] = "backups, exports, checkpoints and savepoints of Flink, snapshots of the disk"
    left["other systems"] = "what actions have sent: to providers of models, tools, vector stores"
    return left


def _files_of_job(view: StateView) -> Iterator[tuple[str, str]]:
    for spec in generation_record.specs(view.manifest.job).values():
        for name, what in (("input", "the input of the job"), ("output", "its outputs")):
            path = spec.get(name)
            if isinstance(path, str) and path not in {"", "-"}:
                yield shown(path), what
        config: Any = spec.get("config")
        cassette = config.get(ModelOptions.CASSETTE.key) if isinstance(config, dict) else None
        if isinstance(cassette, str) and cassette:
            yield cassette, "recorded calls of models"

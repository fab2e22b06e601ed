"""Dead letters, a page at a time, also of a million."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ....agent.errors import PoolError, UsageError
from ....launcher.control.client import NoAnswerError, send_request
from ....store.records.offsets import RunKind, kind_of, offset_of
from ....store.shard.paging import letter_heads, letter_parts
from ...rendering.renderers import LARGEST
from ...rendering.trees import unreadable
from ..endpoints.replies import NotThereError, number_in
from ..endpoints.tokens import key_text, token_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....store.state.reader import StoreReader
    from ..endpoints.replies import Asked
    from ..jobs import ShownJob

__all__ = ["letter_list", "one_letter", "retry"]

_MOST: Final = 500
_MOST_LOOKED_AT: Final = 50_000
"""Letters that one answer looks at, to find those of a cause."""
_COUNTED: Final = 20_000
"""Letters whose causes are counted."""
_LARGEST: Final = (1 << 63) - 1
_PATIENCE: Final = 30.0
_MOST_RETRIED: Final = 10_000
_LONGEST_ERROR: Final = 2_000
_LONGEST_TEXT: Final = 500_000
_MOST_LINES: Final = 1_000


def letter_list(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """Dead letters behind a number; only those of `cause`, if it is given."""
    limit = asked.limit(_MOST)
    after, cause = asked.text("after"), asked.text("cause")
    start = 0 if after is None else number_in(after, "number of a dead letter", 0, _LARGEST) + 1
    rows: list[dict[str, Any]] = []
    following: str | None = None
    last = ""
    with job.reader() as reader:
        for seen, (number, head) in enumerate(_heads(reader, start)):
            if len(rows) >= limit or seen >= _MOST_LOOKED_AT:
                following = last
                break
            last = str(number)
            letter = json.loads(head) if cause is None or cause.encode() in head else {}
            if letter and cause in (None, letter["cause"]):
                rows.append(_row(number, letter))
        answer: dict[str, Any] = {"letters": rows, "next": following, "total": _total(reader)}
        if after is None:
            answer.update(_causes(reader))
    return answer


def _heads(reader: StoreReader, start: int) -> Iterator[tuple[int, bytes]]:
    with ExitStack() as stack:
        shards = []
        for number in range(reader.view.manifest.shards):
            snapshot = stack.enter_context(reader.shard(number))
            if snapshot is not None:
                shards.append(letter_heads(snapshot, start))
        yield from merge(*shards)


def _total(reader: StoreReader) -> int:
    return reader.counts()["dead"]


def _causes(reader: StoreReader) -> dict[str, Any]:
    """How many of the first letters have each cause; of all, unless there are very many."""
    causes: Counter[str] = Counter()
    for _, head in islice(_heads(reader, 0), _COUNTED):
        causes[json.loads(head)["cause"]] += 1
    return {"causes": dict(causes.most_common()), "causes_of": causes.total()}


def _row(number: int, letter: dict[str, Any]) -> dict[str, Any]:
    kind = RunKind(kind_of(number))
    key = bytes.fromhex(letter["key"])
    origin = number if kind == RunKind.INPUT else letter.get("origin")
    return {
        "number": str(number),
        "offset": None if origin is None else str(offset_of(origin)),
        "of": kind.name.lower(),
        "key": key_text(key),
        "token": token_of(key) if key else None,
        "cause": letter["cause"],
        "error": letter.get("error", "")[:_LONGEST_ERROR],
        "action": letter.get("action"),
        "attempts": letter.get("attempts", 1),
        "retries": letter.get("retries", 0),
        "signal": letter.get("signal"),
        "generation": letter.get("generation", 0),
        "worker_pid": letter.get("worker_pid", 0),
        "at": letter.get("at") or None,
    }


def one_letter(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """All that is known of one, with its input."""
    number = number_in(asked.path["number"], "number of a dead letter", 0, _LARGEST)
    with job.reader() as reader:
        found = _parts(reader, number)
    if found is None:
        raise NotThereError(
            f"There is no dead letter {number}.", hint="It may have been retried, and gone through."
        )
    head, size, payload = found
    letter = json.loads(head)
    too_large = unreadable(f"it is too large to be shown ({size:,} bytes)")
    return {
        **_row(number, letter),
        "error": letter.get("error", "")[:_LONGEST_TEXT],
        "traceback": letter.get("traceback", "")[-_LONGEST_TEXT:],
        "stacks": letter.get("stacks", "")[:_LONGEST_TEXT],
        "recorded_by": letter.get("recorded_by"),
        "recorded": letter.get("recorded", [])[:_MOST_LINES],
        "attempts_errors": letter.get("attempts_errors", [])[-_MOST_LINES:],
        "bytes": size,
        "input": too_large if payload is None else job.trees().payload(letter["codec"], payload),
    }


def _parts(reader: StoreReader, number: int) -> tuple[bytes, int, bytes | None] | None:
    for shard in range(reader.view.manifest.shards):
        with reader.shard(shard) as snapshot:
            found = None if snapshot is None else letter_parts(snapshot, number, LARGEST)
        if found is not None:
            return found
    return None


def retry(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """Have a running pool try dead letters again.

    Raises:
        UsageError: nothing is named, or the pool cannot do that.
        PoolError: none runs, or it says no.
    """
    body = asked.body
    numbers, cause = body.get("numbers"), body.get("cause")
    if sum((numbers is not None, cause is not None, body.get("all") is True)) != 1:
        raise UsageError("It is not said which: numbers, a cause, or all.")
    wanted: list[int] | None = None
    if numbers is not None:
        if not isinstance(numbers, list) or not 0 < len(numbers) <= _MOST_RETRIED:
            raise UsageError(f"Numbers are a list of 1 to {_MOST_RETRIED:,}.")
        if "" in numbers:
            raise UsageError("An empty text is no number.")
        wanted = [number_in(str(each), "number of a dead letter", 0, _LARGEST) for each in numbers]
    elif cause is not None and not isinstance(cause, str):
        raise UsageError("A cause is a text.")
    try:
        arguments = {"numbers": wanted, "cause": cause, "wait": False}
        return send_request(job.path, "retry", arguments, wait=_PATIENCE)
    except UsageError as error:
        if not error.message.startswith("There is no /retry"):
            raise
        raise PoolError(
            "The pool is of a version that retries no dead letters while it runs.",
            hint=f"When it has ended: tamias dead-letters retry {job.path} OFFSET",
        ) from error
    except NoAnswerError as error:
        raise NoAnswerError(
            f"Dead letters are retried here while the job runs: {error.message}",
            hint=f"At rest: tamias dead-letters retry {job.path} OFFSET",
        ) from error

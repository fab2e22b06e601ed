"""Questions that runs have asked, and their answers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ....agent.errors import AnswerError, PoolError, UsageError
from ....agent.waiting.questions import is_token
from ....store.login_name import login_name
from ....store.state.waiting import all_waiting
from .memory import question_row

if TYPE_CHECKING:
    from ..endpoints.replies import Asked
    from ..jobs import ShownJob

__all__ = ["answer", "question_list"]

_MOST: Final = 500
_PATIENCE: Final = 60.0
_LONGEST_BY: Final = 200
_BLANKS: Final = re.compile(r"\s+")


def question_list(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """The questions behind a token that wait for an answer, the oldest first."""
    limit, after = asked.limit(_MOST), asked.text("after") or ""
    if after and not is_token(after):
        raise UsageError(f"{after[:60]!r} is not the token of a question.")
    with job.reader() as reader, all_waiting(reader) as waiting:
        found = list(islice(waiting.questions(after), limit + 1))
        counts = waiting.counts()
    trees = job.trees()
    return {
        "questions": [question_row(token, record, trees) for token, record in found[:limit]],
        "next": found[limit - 1][0] if len(found) > limit else None,
        "total": counts.questions,
        "runs": counts.runs,
        "timers": counts.timers,
    }


def answer(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """Answer a question, whether the job runs or not.

    The command does it, in a process of its own: at rest it writes to a shard, and this process has
    the shards open for reading.

    Raises:
        AnswerError: no such question waits.
        PoolError: it is not known whether the answer is on record.
    """
    token, body = str(asked.path["token"]), asked.body
    if not is_token(token):
        raise UsageError(f"{token[:60]!r} is not the token of a question.")
    if "value" not in body:
        raise UsageError("An answer has a value.")
    by = body.get("by") or f"{login_name()} (dashboard)"
    if not isinstance(by, str) or len(by) > _LONGEST_BY:
        raise UsageError("Who answers is a short text.")
    command = [sys.executable, "-m", "tamias", "answer", str(job.path), token, "--json", "-"]
    try:
        done = subprocess.run(
            [*command, f"--by={by}"],
            input=json.dumps(body["value"]).encode(),
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            cwd="/",  # modules of the working directory must not stand in for Python's
            env={**os.environ, "COLUMNS": "10000", "NO_COLOR": "1", "TERM": "dumb"},
        )
    except subprocess.TimeoutExpired as error:
        raise PoolError(
            "It is not known whether the answer is on record.", hint="Look whether it still waits."
        ) from error
    said = _BLANKS.sub(" ", done.stderr.decode(errors="replace")).strip()
    if done.returncode == 0:
        return {"answered": True, "message": said}
    raise (AnswerError if done.returncode == AnswerError.exit_code else PoolError)(
        said.removeprefix("error: ") or f"The answer has failed (exit code {done.returncode})."
    )

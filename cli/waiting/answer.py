"""`tamias answer`: answers a question, of a running pool or of a state directory at rest.

Between the look at the state directory and the answer a launcher may begin or end. So the answer
has a name of its own, under which it may be sent again: to the pool, or to the shard when there is
no pool. It is recorded once, and the command says so only when it is on record.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from ...agent.errors import AnswerError, PoolError, StoreLockedError, UsageError
from ...launcher.control.client import NoAnswerError, send_request
from ...store.encoding.codec import loads_json
from ...store.login_name import login_name
from ...store.state.answering import answer_at_rest, checked_shard
from ...store.state.directory import StateDirectory
from ...store.state.reader import StoreReader
from ..text import error_console, typed

if TYPE_CHECKING:
    from ...store.waiting.records import QuestionRecord

_PATIENCE: Final = 20.0
"""Seconds for a launcher that starts or ends, or does not reply."""
_PAUSE: Final = 0.1


class _Answer(NamedTuple):
    token: str
    value: Any
    by: str | None
    request: str


def answer(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="As tamias waiting shows it.")],
    *,
    json_text: Annotated[
        str | None,
        typer.Option("--json", metavar="VALUE", help="The answer, as JSON; - reads it from stdin."),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="The answer, as a text.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who answers.", show_default="the login name"),
    ] = None,
) -> int:
    """Answer a question that a run has asked; on a running pool, or while nothing runs."""
    value = _value(json_text, text)
    given = _Answer(token, value, login_name() if by is None else by, token_hex(8))
    with StateDirectory.view(state) as view:
        checked_shard(view, token)
        is_service = "service" in view.manifest.job
    next_life = "the service, when it is started again," if is_service else _resume(state)
    then = f"; {next_life} goes on with it" if _give(state, given) else ""
    error_console().print(f"answered: on record{then}", markup=False)
    return 0


def _resume(state: Path) -> str:
    return f"tamias resume {typed(state)}"


def _value(json_text: str | None, text: str | None) -> Any:
    """Return the answer. Raises UsageError if there is none, or two, or it is no JSON."""
    if (json_text is None) == (text is None):
        raise UsageError(
            "An answer has one value.", hint="Give it with --json VALUE or --text TEXT."
        )
    if json_text is None:
        return text
    try:
        return loads_json(_given_text(json_text))
    except ValueError as error:
        raise UsageError(
            f"The answer {_described(json_text)} is not JSON: {error}.",
            hint="A text in JSON has quotes: --json '\"yes\"'; or use --text yes.",
        ) from None


def _described(json_text: str) -> str:
    return "on standard input" if json_text == "-" else repr(json_text[:40])


def _given_text(json_text: str) -> bytes:
    """The JSON itself; that of standard input for a hyphen, which no JSON is."""
    return sys.stdin.buffer.read() if json_text == "-" else json_text.encode()


def _give(state: Path, given: _Answer) -> bool:
    """Record the answer; return whether nothing ran then.

    Raises:
        AnswerError: no such question waits.
        PoolError: a launcher is at work, and does not reply.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            send_request(
                state,
                "answer",
                {
                    "token": given.token,
                    "value": given.value,
                    "by": given.by,
                    "request": given.request,
                },
                wait=_PATIENCE,
            )
        except AnswerError:
            raise
        except PoolError as error:
            with suppress(StoreLockedError):  # the launcher is at work, or has begun by now
                _give_at_rest(state, given)
                return True
            if time.monotonic() >= until:
                if _is_recorded(state, given):
                    return False
                raise _unknown(error) from error
        else:
            return False
        time.sleep(_PAUSE)


def _give_at_rest(state: Path, given: _Answer) -> None:
    with StateDirectory.view(state) as view:
        manifest = view.manifest
    with StateDirectory.open(
        state, manifest.agent, manifest.shards, manifest.durability, manifest.job
    ) as locked:
        value = json.dumps(given.value).encode()
        answer_at_rest(locked, given.token, value, by=given.by, request=given.request)


def _is_recorded(state: Path, given: _Answer) -> bool:
    record = _question(state, given.token)
    return record is not None and record.answer is not None and record.request == given.request


def _question(state: Path, token: str) -> QuestionRecord | None:
    with (
        StoreReader(state) as reader,
        reader.shard(checked_shard(reader.view, token)) as snapshot,
    ):
        return None if snapshot is None else snapshot.waiting.question(token)


def _unknown(error: PoolError) -> PoolError:
    return NoAnswerError(
        f"The answer is not on record yet: {error.message}",
        hint="It may still be taken when the launcher goes on. Repeat the command; an answer"
        " counts once.",
    )

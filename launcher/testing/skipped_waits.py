"""What `run_agent` does about runs that wait: answer their questions, and move the clock.

A test must not wait for an hour. When nothing is to be done, questions are answered by the test,
and then the clock of this process is moved to the moment at which something is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.waiting.questions import Question
from ...store import clock
from ...store.encoding.keys import decode_key
from ...store.encoding.values import dumps, loads
from ...store.state.reader import StoreReader
from ..control.commands import AnswerQuestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ...store.waiting.reading import WaitingCounts
    from ..control.commands import Answer, Command

    Answers = Mapping[str, Any] | Callable[[Question], Any]


class SkippedWaits:
    """Answers questions and moves the clock, for a pool whose inputs have ended.

    Attributes:
        error: what `answers` has raised; None if it has not.
    """

    def __init__(self, state: Path, answers: Answers | None, longest: float) -> None:
        """`longest`: the clock is moved by so many seconds at most, in all."""
        self.error: BaseException | None = None
        self._state = state
        self._answers = answers
        self._until = clock.now() + longest
        self._moved = 0.0

    def answer(self, post: Callable[[Command], Answer]) -> bool:
        """Answer the questions to which there are answers; returns whether there was one."""
        return self._answer(post)

    def at_rest(self, counts: WaitingCounts, post: Callable[[Command], Answer]) -> bool:
        """Have the pool go on; returns whether it ends, since nothing more can be done."""
        try:
            if counts.questions and self._answer(post):
                return False
        except BaseException as error:  # noqa: BLE001 (the test's own; it is raised again there)
            self.error = error
            return True
        if counts.next is None or counts.next > self._until:
            return True
        step = max(0.0, counts.next - clock.now())
        self._moved += step
        clock.advance(step)
        return False

    def restore(self) -> None:
        """Move the clock back."""
        clock.advance(-self._moved)

    def _answer(self, post: Callable[[Command], Answer]) -> bool:
        """Answer the questions to which the test has answers; returns whether there was one."""
        found = False
        for question in open_questions(self._state):
            if self._answers is None:
                continue
            if callable(self._answers):
                value = self._answers(question)
                if value is NotImplemented:  # it stays open
                    continue
            elif question.name in self._answers:
                value = self._answers[question.name]
            else:
                continue
            post(AnswerQuestion(question.token, dumps(value), "pickle", "test"))
            found = True
        return found


def open_questions(state: Path) -> list[Question]:
    """The questions in a state directory that wait for an answer, the oldest first."""
    questions = []
    with StoreReader(state) as reader:
        for number in range(reader.view.manifest.shards):
            with reader.shard(number) as snapshot:
                if snapshot is None:
                    continue
                questions += [
                    Question(
                        token,
                        record.name,
                        loads(record.ask),
                        decode_key(record.key),
                        record.asked_at,
                        record.deadline,
                    )
                    for token, record in snapshot.waiting.questions()
                    if record.is_open
                ]
    return sorted(questions, key=lambda question: question.asked_at)

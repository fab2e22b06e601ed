"""One request to retry dead letters: which they are, and what has become of them."""

from __future__ import annotations

from array import array
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import UsageError
from .letters import LetterScan, LetterState, find_letter

if TYPE_CHECKING:
    from collections.abc import Generator

    from ...store.state.reader import StoreReader
    from ..control.commands import Answer, RetryDeadLetters
    from .letters import Letter

_SHOWN: Final = 5
_NAMES: Final = {
    LetterState.SUCCEEDED: "succeeded",
    LetterState.FAILED: "failed",
    LetterState.WAITING: "waiting",
    LetterState.PUT_BACK: "waiting",
    LetterState.UNCHANGED: "untried",
}


class RetryRequest:
    """A request to retry some dead letters, all of a cause, or all.

    Attributes:
        reply: gets the report.
        expected: how many letters it is for; None: that is known when all have been read.
        exhausted: whether all its letters have been read.
        active: how many of its retries are under way.
    """

    def __init__(self, reader: StoreReader, command: RetryDeadLetters, reply: Answer) -> None:
        """Raises UsageError: a letter that is named does not exist."""
        self.reply = reply
        self.expected: int | None = None
        self.exhausted = False
        self.active = 0
        self._cause = command.cause
        self._named: deque[Letter] | None = None
        self._scan = LetterScan(reader)
        self._results = {
            name: array("q") for name in ("succeeded", "failed", "waiting", "malformed", "untried")
        }
        if command.numbers is not None:
            self._named = deque(_find(reader, command.numbers))
            self.exhausted = not self._named
            self.expected = len(self._named)
        elif command.cause is None:
            self.expected = reader.counts()["dead"]

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done."""
        return self.exhausted and not self.active

    def read(self) -> Generator[Letter, None, None]:
        """Yield the next letters to retry; there may be more, or `exhausted` is set.

        What is not used before the generator is closed is read again by the next call.
        """
        if self._named is not None:
            while self._named:
                letter = self._named.popleft()
                self.exhausted = not self._named
                if not self._is_malformed(letter):
                    yield letter
            return
        with closing(self._scan.read()) as letters:
            for letter in letters:
                if self._cause in (None, letter.cause) and not self._is_malformed(letter):
                    yield letter
        self.exhausted = self._scan.exhausted

    def _is_malformed(self, letter: Letter) -> bool:
        """Whether there is nothing in it that can be run; it is recorded then."""
        if letter.cause != "bad-input":
            return False
        self._results["malformed"].append(letter.offset)
        return True

    def end(self, letter: Letter, state: LetterState) -> None:
        """Record what has become of one of its letters."""
        self.active -= 1
        self._results[_NAMES[state]].append(letter.offset)

    def report(self) -> dict[str, Any]:
        """Return the answer: the offsets of the letters by what has become of them."""
        lists = {name: sorted(offsets) for name, offsets in self._results.items()}
        retried = len(lists["succeeded"]) + len(lists["failed"]) + len(lists["waiting"])
        return {"retried": retried, "finished": self.is_over, **lists}


def _find(reader: StoreReader, numbers: tuple[int, ...]) -> list[Letter]:
    found = {number: find_letter(reader, number) for number in dict.fromkeys(numbers)}
    missing = sorted(number for number, letter in found.items() if letter is None)
    if missing:
        shown = ", ".join(map(str, missing[:_SHOWN])) + ", ..." * (len(missing) > _SHOWN)
        raise UsageError(
            f"There is no dead letter of input {shown}.",
            hint="tamias dead-letters list says which there are.",
        )
    return [letter for letter in found.values() if letter is not None]

"""Carries out commands, some at once and some one after the other, and answers them.

Commands that start or end workers (scaling, swapping, reloading) are *operations*. They take some
time, during which the pool works on, and two of them would conflict. So only one is under way, and
the others wait. An operation is a small state machine, whose `step` is called in each turn of the
pool's loop, so after each event.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

from ...agent.errors import UsageError
from .commands import ended, fail, succeed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .commands import Answer, Command, Mailbox


class Operation(ABC):
    """A command that takes more than one turn of the loop."""

    @abstractmethod
    def step(self, now: float) -> dict[str, Any] | None:
        """Continue; return the answer when all is done, else None.

        Called every tenth of a second at least. `now` is monotonic seconds.

        Raises:
            TamiasError: it has failed and ended.
        """


class CommandQueue:
    """Carries out the commands of one pool."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._instant: dict[type[Command], Callable[[Any], dict[str, Any] | None]] = {}
        self._passed_on: dict[type[Command], Callable[[Any, Answer], None]] = {}
        self._lengthy: dict[type[Command], Callable[[Any], Operation]] = {}
        self._waiting: deque[tuple[Command, Answer]] = deque()
        self._current: tuple[Operation, Answer] | None = None
        self._at_end: list[Answer] = []

    def at_once(self, command: type[Command], do: Callable[[Any], dict[str, Any] | None]) -> None:
        """Call `do` for such commands; if it returns None, they are answered when the pool ends."""
        self._instant[command] = do

    def pass_on(self, command: type[Command], do: Callable[[Any, Answer], None]) -> None:
        """Call `do` for such commands, with the future, which it or others answer later."""
        self._passed_on[command] = do

    def one_by_one(self, command: type[Command], make: Callable[[Any], Operation]) -> None:
        """Turn such commands into operations, which run one after the other."""
        self._lengthy[command] = make

    @property
    def operation(self) -> Operation | None:
        """The operation that is under way."""
        return self._current[0] if self._current is not None else None

    def turn(self, now: float) -> None:
        """Carry out new commands, and continue the current operation."""
        for command, answer in self._mailbox.receive():
            if type(command) in self._instant:
                self._do(self._instant[type(command)], command, answer)
            elif type(command) in self._passed_on:
                try:
                    self._passed_on[type(command)](command, answer)
                except Exception as error:  # noqa: BLE001 (the caller gets it)
                    fail(answer, error)
            elif type(command) in self._lengthy:
                self._waiting.append((command, answer))
            else:
                name = type(command).__name__.lower()
                fail(answer, UsageError(f"This pool knows no command {name!r}."))
        while self._current is not None or self._waiting:
            if self._current is None and not self._begin():
                continue
            if not self._step(now):
                return

    def _do(
        self, do: Callable[[Any], dict[str, Any] | None], command: Command, answer: Answer
    ) -> None:
        try:
            result = do(command)
        except Exception as error:  # noqa: BLE001 (the caller gets it)
            fail(answer, error)
            return
        if result is None:
            self._at_end.append(answer)
        else:
            succeed(answer, result)

    def _begin(self) -> bool:
        command, answer = self._waiting.popleft()
        if answer.cancelled():
            return False
        try:
            self._current = self._lengthy[type(command)](command), answer
        except Exception as error:  # noqa: BLE001 (the caller gets it)
            fail(answer, error)
            return False
        return True

    def _step(self, now: float) -> bool:
        """Continue the current operation; return whether it has ended."""
        assert self._current is not None  # noqa: S101 (see `turn`)
        operation, answer = self._current
        try:
            result = operation.step(now)
        except Exception as error:  # noqa: BLE001 (the caller gets it)
            self._current = None
            fail(answer, error)
            return True
        if result is None:
            return False
        self._current = None
        succeed(answer, result)
        return True

    def close(self, result: dict[str, Any] | None, error: BaseException | None = None) -> None:
        """Answer all commands at the pool's end; those that wait for it get `result` or `error`."""
        self._mailbox.close()
        for answer in self._at_end:
            if result is None:
                fail(answer, error or ended())
            else:
                succeed(answer, result)
        left = [answer for _, answer in self._waiting]
        if self._current is not None:
            left.append(self._current[1])
        for answer in left:
            fail(answer, ended())

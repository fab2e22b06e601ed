"""Retries dead letters while the pool runs.

The launcher finds a letter in the store, and sends only its number and key to the worker that has
the shard, like an owned run (`dispatch/owned.py`). The worker reads the letter in its shard, runs
the input, and removes or replaces the letter in the commit of the run. So a letter that exists has
not been retried, and one that is gone has been, whichever process is killed at any instant. Nothing
else is on record: if the launcher dies, letters whose retries were not committed are still letters.

What has become of a retry is read from the store as well, when the dispatcher does not have it any
more. That is so when its run has ended or is suspended, and also when its worker has died, or its
shard moves: then the letter is as it was, and is sent again.

Only `MOST_ACTIVE` retries are under way at a time, and letters are read a few at a time, however
many there are. They go before the inputs that are queued.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from ...agent.errors import StoreError, UsageError
from ...store.records.dead_letters import CAUSES
from ...store.state.reader import StoreReader
from ..control.commands import ended, fail, succeed
from ..dispatch.item import Item
from .letters import Letter, LetterState, state_of
from .request import RetryRequest

if TYPE_CHECKING:
    from ...store.state.directory import StateDirectory
    from ..control.commands import Answer, RetryDeadLetters
    from ..delivery.delivery import Delivery
    from ..dispatch.dispatcher import Dispatcher

MOST_ACTIVE: Final = 256
MOST_NAMED: Final = 1000
"""So many letters may be named in one request: each is looked up in all shards."""
MOST_SENT: Final = 1000
"""A letter that was sent so often and is as it was is given up."""
RECHECK_SECONDS: Final = 0.1
"""Between two tries to send what cannot be sent now."""


class _Retry:
    """A retry that is under way."""

    __slots__ = ("letter", "requests", "sent")

    def __init__(self, letter: Letter) -> None:
        self.letter = letter
        self.requests: list[RetryRequest] = []
        self.sent = 0

    def end(self, state: LetterState) -> None:
        """Record what has become of the letter in all requests for it."""
        for request in self.requests:
            request.end(self.letter, state)


class LiveRetries:
    """The retries of one pool."""

    def __init__(self, state: StateDirectory, dispatcher: Dispatcher, delivery: Delivery) -> None:
        self._state = state
        self._dispatcher = dispatcher
        self._delivery = delivery
        self._reader: StoreReader | None = None
        self._requests: list[RetryRequest] = []
        self._active: dict[int, _Retry] = {}
        """By their numbers."""

    @property
    def busy(self) -> bool:
        """Whether anything is left to be done."""
        return bool(self._requests)

    @property
    def pause(self) -> float | None:
        """Seconds after which `turn` has something to do even if nothing happens; None: never."""
        if not self._requests:
            return None
        if len(self._active) < MOST_ACTIVE and any(not each.exhausted for each in self._requests):
            return 0.0
        known = self._dispatcher.owned.known
        return None if all(number in known for number in self._active) else RECHECK_SECONDS

    def begin(self, command: RetryDeadLetters, reply: Answer) -> None:
        """Begin to retry; `reply` gets what has become of the letters when all have ended.

        If the command does not wait, it gets at once how many letters are retried; None: that is
        not known before all have been read.

        Raises:
            UsageError: there are no such letters, or they cannot be retried here.
        """
        self._check(command)
        if self._reader is None:
            # Workers may be threads of this process.
            self._reader = StoreReader(self._state.path, yields=True)
        try:
            request = RetryRequest(self._reader, command, reply)
        except BaseException:
            self._close_if_idle()
            raise
        self._requests.append(request)
        if not command.wait:
            succeed(reply, {"retried": request.expected})

    def _check(self, command: RetryDeadLetters) -> None:
        if "service" in self._state.manifest.job:
            raise UsageError(
                "This is a service, whose clients know of their failures already.",
                hint="Let a client submit such an input again, as a new one.",
            )
        if not self._delivery.accepts_retries:
            raise UsageError("This pool cannot retry dead letters.")
        if command.cause is not None and command.cause not in CAUSES:
            raise UsageError(
                f"{command.cause!r} is no cause of dead letters.",
                hint=f"There are: {', '.join(CAUSES)}.",
            )
        if command.numbers is not None and len(command.numbers) > MOST_NAMED:
            raise UsageError(
                f"{len(command.numbers)} dead letters are too many to be named in one request.",
                hint=f"Name {MOST_NAMED} at most, or retry all.",
            )

    def turn(self) -> None:
        """Find out what has become of the retries under way, and send more. Never waits."""
        if self._reader is None:
            return
        self._settle(self._reader)
        for request in self._requests:
            self._fill(request)
        for request in [each for each in self._requests if each.is_over]:
            self._requests.remove(request)
            succeed(request.reply, request.report())
        self._close_if_idle()

    def _settle(self, reader: StoreReader) -> None:
        known = self._dispatcher.owned.known
        for number in [number for number in self._active if number not in known]:
            retry = self._active[number]
            state = state_of(reader, retry.letter)
            if state is LetterState.UNCHANGED and retry.sent < MOST_SENT:
                self._send(retry)
            elif state is not LetterState.PUT_BACK:
                del self._active[number]
                retry.end(state)

    def _fill(self, request: RetryRequest) -> None:
        if request.exhausted or len(self._active) >= MOST_ACTIVE:
            return
        with closing(request.read()) as letters:
            for letter in letters:
                request.active += 1
                retry = self._active.get(letter.number)
                if retry is None:
                    retry = self._active[letter.number] = _Retry(letter)
                    self._send(retry)
                retry.requests.append(request)
                if len(self._active) >= MOST_ACTIVE:
                    break

    def _send(self, retry: _Retry) -> None:
        """Have the dispatcher send a retry, if the shard has a worker now."""
        letter, dispatcher = retry.letter, self._dispatcher
        slot = dispatcher.placement.owner(letter.shard)
        if slot is None:
            return
        item = Item(letter.number, letter.key, b"", letter.shard)
        self._delivery.due([(item.offset, item.key)])
        dispatcher.due(slot.number, slot.incarnation, [item])
        retry.sent += item.offset in dispatcher.owned.known

    def close(self) -> None:
        """Answer all requests: the pool has ended."""
        for retry in self._active.values():
            state = LetterState.UNCHANGED
            if self._reader is not None:
                with suppress(StoreError):  # what ends the pool is reported elsewhere
                    state = state_of(self._reader, retry.letter)
            retry.end(state)
        for request in self._requests:
            report = request.report()
            if report["retried"] or report["untried"]:
                succeed(request.reply, {**report, "finished": False})
            else:
                fail(request.reply, ended())
        self._requests.clear()
        self._active.clear()
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if not self._requests and self._reader is not None:
            self._reader.close()
            self._reader = None

"""What goes on beside a job under fire: questions are answered, workers come and go."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from contextlib import suppress
from itertools import cycle
from typing import TYPE_CHECKING

from tamias.agent.errors import AnswerError, TamiasError
from tamias.launcher.control.client import send_request
from tamias.store.encoding.values import loads
from tamias.store.state.reader import StoreReader
from tamias.store.waiting.tokens import make_token

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.store.waiting.records import QuestionRecord


_RUNNING: set[Beside] = set()


def stop_all() -> None:
    """Stop what has not been stopped, as after a test that does not judge, or has failed."""
    for one in list(_RUNNING):
        one.stop()


class Beside:
    """Something that goes on beside a job; `start` and `stop` may be called any number of times.

    Not in the launcher's process, where LMDB must not open an environment a second time.
    """

    def __init__(self, state: Path, pause: float) -> None:
        """`pause` is the time between two acts, in seconds."""
        self._state = state
        self._pause = pause
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._error: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        if self._thread is None:
            _RUNNING.add(self)
            self._end.clear()
            self._thread = threading.Thread(target=self._go_on, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; an error that has ended it before is raised."""
        if self._thread is not None:
            _RUNNING.discard(self)
            self._end.set()
            self._thread.join()
            self._thread = None
            error, self._error = self._error, None
            if error is not None:
                raise error

    def _go_on(self) -> None:
        try:
            while not self._end.wait(self._pause):
                with suppress(TamiasError, OSError):  # there is no pool yet, or no longer
                    self.act()
        except BaseException as error:  # noqa: BLE001 (raised by `stop`)
            self._error = error

    def act(self) -> None:
        """Do it once."""


class Scaling(Beside):
    """Has workers come and go."""

    def __init__(self, state: Path) -> None:
        super().__init__(state, 0.01)
        self._workers = cycle((1, 3, 2))

    def act(self) -> None:
        """Ask for more workers, or fewer."""
        send_request(self._state, "scale", {"workers": next(self._workers)}, wait=10)


class Answering(Beside):
    """Answers questions.

    Attributes:
        sent: by token, what was sent as answers.
        accepted: by token, those of them that were accepted, as far as that is known: of an answer
            whose launcher was killed it is not.
    """

    def __init__(self, state: Path) -> None:
        super().__init__(state, 0.02)
        self.sent: dict[str, list[str]] = defaultdict(list)
        self.accepted: dict[str, list[str]] = defaultdict(list)
        self._number = 0

    def act(self) -> None:
        """Answer each question, some that are over, and a token that was never given out."""
        for token, record in self._questions():
            # What asks nothing is to have no answer, but now and then one that is late.
            if (loads(record.ask) if record.ask else None) is None and record.waits:
                continue
            self._number += 1
            if record.is_open or self._number % 5 == 0:
                self._send(token, str(self._number))
        if self._number % 10 == 0:
            self._send(make_token(0, time.time()), "to nothing")

    def _questions(self) -> list[tuple[str, QuestionRecord]]:
        """All questions of the job, as of now."""
        found: list[tuple[str, QuestionRecord]] = []
        with StoreReader(self._state) as reader:
            for number in range(reader.view.manifest.shards):
                with reader.shard(number) as snapshot:
                    if snapshot is not None:
                        found += snapshot.waiting.questions()
        return found

    def _send(self, token: str, value: str) -> None:
        self.sent[token].append(value)
        arguments = {"token": token, "value": value, "by": "fire"}
        with suppress(AnswerError):
            send_request(self._state, "answer", arguments, wait=10)
            self.accepted[token].append(value)

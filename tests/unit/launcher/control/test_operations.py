"""Commands: from any thread, in turn, and always answered."""

from __future__ import annotations

import select
import threading
from typing import Any

import pytest

from tamias.agent.errors import ConfigError, PoolError, UsageError
from tamias.launcher.control.commands import Describe, Drain, Mailbox, Scale, Stop, Swap
from tamias.launcher.control.operations import CommandQueue, Operation


class Work(Operation):
    """Takes as many steps as it is told."""

    def __init__(self, steps: int) -> None:
        if steps > 5:
            raise ConfigError("that is too much")
        self.left = steps

    def step(self, now: float) -> dict[str, Any] | None:
        del now
        self.left -= 1
        return {"left": 0} if self.left <= 0 else None


def office() -> tuple[Mailbox, CommandQueue]:
    mailbox = Mailbox()
    orders = CommandQueue(mailbox)
    orders.at_once(Describe, lambda _: {"all": "well"})
    orders.at_once(Drain, lambda _: None)
    orders.one_by_one(Scale, lambda scale: Work(scale.workers))
    return mailbox, orders


def test_a_command_rings_until_it_is_taken() -> None:
    mailbox, orders = office()
    assert select.select([mailbox], [], [], 0)[0] == []
    thread = threading.Thread(target=mailbox.post, args=[Describe()])
    thread.start()
    assert select.select([mailbox], [], [], 30)[0] == [mailbox]
    thread.join()
    orders.turn(0.0)
    assert select.select([mailbox], [], [], 0)[0] == []


def test_operations_wait_for_their_turn_and_questions_do_not() -> None:
    mailbox, orders = office()
    first, second, question = map(mailbox.post, (Scale(2), Scale(1), Describe()))
    orders.turn(0.0)
    assert question.result(0) == {"all": "well"}
    assert not first.done()
    orders.turn(0.0)
    assert first.result(0) == second.result(0) == {"left": 0}
    assert orders.operation is None


def test_what_cannot_be_done_is_said_and_does_not_stop_the_next() -> None:
    mailbox, orders = office()
    wrong, right, unknown = map(mailbox.post, (Scale(9), Scale(1), Swap(0)))
    orders.turn(0.0)
    with pytest.raises(ConfigError, match="too much"):
        wrong.result(0)
    assert right.result(0) == {"left": 0}
    with pytest.raises(UsageError, match="no command 'swap'"):
        unknown.result(0)


def test_who_asks_for_the_end_is_answered_by_it_and_all_others_are_told() -> None:
    mailbox, orders = office()
    end, long, waiting = map(mailbox.post, (Drain(), Scale(3), Scale(1)))
    orders.turn(0.0)
    late = mailbox.post(Stop())
    orders.close({"finished": False})
    assert end.result(0) == {"finished": False}
    for answer in (long, waiting, late, mailbox.post(Describe())):
        with pytest.raises(PoolError, match="ended"):
            answer.result(0)


def test_nobody_need_wait_for_an_answer() -> None:
    mailbox, orders = office()
    for command in (Scale(1), Describe()):
        assert mailbox.post(command).cancel()
    orders.turn(0.0)
    assert mailbox.post(Describe()).done() is False

"""A service whose runs wait: outcomes that come later, questions, answers."""

from __future__ import annotations

import asyncio
import getpass
import json
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder
from support.moved_clock import SharedClock
from support.service.process import serving, wait_for
from tamias import (
    AnswerError,
    AsyncClient,
    Client,
    ServiceTimeoutError,
    SubmissionFailedError,
    UnserializableError,
)

if TYPE_CHECKING:
    from pathlib import Path

AGENT = '''
from tamias import Agent, InputEvent, OutputEvent, action


class Counter(Agent):
    """Asks, or waits, or answers at once."""

    @action(InputEvent)
    @staticmethod
    async def run(event, ctx):
        if isinstance(event.input, dict):
            event.input = await ctx.wait_for("approve", ask=event.input)
        elif event.input == "remind":
            ctx.schedule(after=60, event=InputEvent(input="later"))
        elif event.input == "fail":
            await ctx.sleep(3600)
            raise ValueError("this is trouble")
        elif event.input == "sleep":
            await ctx.sleep(3600)
        ctx.send_event(OutputEvent(output=event.input))
'''


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SharedClock:
    return SharedClock(monkeypatch, tmp_path / "clock")


def test_outcomes_of_runs_that_wait_come_over_restarts(tmp_path: Path, moved: SharedClock) -> None:
    options = ("--set", "window=4", "--set", "service-window=4", "--set", "max-attempts=1")
    with serving(tmp_path, *options, agent=AGENT) as service:
        with Client(service.state, client_id="c") as client:
            waiting = client.submit_many(
                [("a", "sleep"), ("b", "fail"), ("a", "behind"), ("c", "sleep"), ("d", "sleep")]
            )
            wait_for(lambda: service.told()["suspended"] == 5)  # more than the window
            assert client.submit("e", "quick", timeout=60).result(60) == ["quick"]
            with pytest.raises(ServiceTimeoutError):
                waiting[0].result(0)
            assert service.told()["waiting"] == 0
        service.kill()
    with serving(tmp_path, *options, agent=AGENT) as service:
        assert service.told()["suspended"] == 5
        with Client(service.state, client_id="c") as client:
            again = client.submit_many(
                [("a", "sleep"), ("b", "fail"), ("a", "behind"), ("c", "sleep")]
            )
            client.flush()
            moved.advance(3601)
            assert [again[n].result(60) for n in (0, 2, 3)] == [["sleep"], ["behind"], ["sleep"]]
            with pytest.raises(SubmissionFailedError, match="ValueError: this is trouble"):
                again[1].result(60)
        wait_for(lambda: service.told()["suspended"] == 0)
        service.end()
    with (
        serving(tmp_path, *options, agent=AGENT) as service,
        Client(service.state, client_id="c") as client,
    ):
        # The outcome of the one that nobody has waited for is on record, too.
        assert client.submit("d", "sleep", sequence=5).result(60) == ["sleep"]
        service.end()


def test_questions_are_listed_and_answered_by_clients(tmp_path: Path) -> None:
    with serving(tmp_path, agent=AGENT) as service, Client(service.state) as client:
        submissions = client.submit_many([(f"k{n}", {"amount": n}) for n in range(3)])
        wait_for(lambda: len(client.questions()) == 3)
        questions = {question.key: question for question in client.questions()}
        assert {key: question.ask["amount"] for key, question in questions.items()} == {
            "k0": 0,
            "k1": 1,
            "k2": 2,
        }
        token = questions["k1"].token
        with pytest.raises(UnserializableError, match="This answer cannot be sent"):
            client.answer(token, object())
        client.answer(token, {"ok": True}, timeout=60)
        assert submissions[1].result(60) == [{"ok": True}]
        with pytest.raises(AnswerError, match=f"answered already by {getpass.getuser()} at 20"):
            client.answer(token, 1, timeout=60)
        for unknown, problem in ((token[:-4] + "xxxx", "is not the token"), (1, "is not")):
            with pytest.raises(AnswerError, match=problem):
                client.answer(unknown, 1)  # type: ignore[arg-type]
        other = token[:-4] + ("0000" if token[-4:] != "0000" else "1111")
        with pytest.raises(AnswerError, match="No question with this token waits"):
            client.answer(other, 1, timeout=60)

        async def answer() -> None:
            async with AsyncClient(service.state) as asynchronous:
                (first, second) = await asynchronous.questions()
                await asynchronous.answer(first.token, 1, by="eve")
                await asynchronous.answer(second.token, 1)

        asyncio.run(answer())
        assert [submissions[n].result(60) for n in (0, 2)] == [[1], [1]]
        assert client.questions() == []
        service.end()


def test_an_answer_while_the_service_is_away_is_recorded_once(tmp_path: Path) -> None:
    with serving(tmp_path, agent=AGENT) as service:
        client = Client(service.state, client_id="c")
        submission = client.submit("a", {"amount": 1})
        wait_for(lambda: bool(client.questions()))
        (question,) = client.questions()
        service.kill()
    with pytest.raises(ServiceTimeoutError, match="has not replied for"):
        client.answer(question.token, "early", timeout=0.1)
    with serving(tmp_path, agent=AGENT) as service:
        client.answer(question.token, "late", by="eve", timeout=60)
        assert submission.result(60) == ["late"]
        client.close()
        service.end()


def test_outputs_of_timers_are_counted(tmp_path: Path, moved: SharedClock) -> None:
    with serving(tmp_path, agent=AGENT) as service:
        with Client(service.state) as client:
            assert client.submit("a", "remind").result(60) == ["remind"]
        moved.advance(61)
        wait_for(lambda: service.told()["unclaimed"] == 1)
        service.end()


def test_a_client_with_a_key_sees_the_questions_of_its_own_inputs(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.tamias("keys", "new", "keys")
    for name in ("alice", "bob"):
        folder.tamias("keys", "add", "keys", name)
    options = ("--listen", "tcp://127.0.0.1:*", "--keys", "keys")
    with serving(tmp_path, *options, agent=AGENT) as service:
        where = str(service.told()["listen"])
        with (
            Client(where, keys=tmp_path / "alice.key", client_id="one") as alice,
            Client(where, keys=tmp_path / "alice.key", client_id="two") as also_alice,
            Client(where, keys=tmp_path / "bob.key") as bob,
            Client(service.state) as local,
        ):
            submission = alice.submit("a", {"amount": 1})
            wait_for(lambda: len(local.questions()) == 1)
            (question,) = also_alice.questions()
            assert (question.key, question.ask) == ("a", {"amount": 1})
            assert bob.questions() == []
            bob.answer(question.token, "yes", by="carol", timeout=60)  # it has the token
            assert submission.result(60) == ["yes"]
            with pytest.raises(AnswerError, match=r"by carol \(with the key bob\)"):
                alice.answer(question.token, "no", timeout=60)
        service.end()


def test_commands_answer_the_questions_of_a_service_at_work_and_at_rest(tmp_path: Path) -> None:
    folder = Folder(tmp_path)

    def question() -> str:
        listed = folder.tamias("waiting", "state", "--key", "a", "--json").stdout
        return str(json.loads(listed.splitlines()[0])["token"])

    with serving(tmp_path, agent=AGENT) as service:
        with Client(service.state, client_id="c") as client:
            submission = client.submit("a", {"amount": 1})
            wait_for(lambda: bool(client.questions()))
            folder.tamias("answer", "state", question(), "--json", "[1]")
            assert submission.result(60) == [[1]]
            client.submit("a", {"amount": 2})
            wait_for(lambda: bool(client.questions()))
        service.end()
    done = folder.tamias("answer", "state", question(), "--text", "yes")
    assert "the service, when it is started again, goes on with it" in done.stderr
    with (
        serving(tmp_path, agent=AGENT) as service,
        Client(service.state, client_id="c") as client,
    ):
        assert client.submit("a", {"amount": 2}, sequence=2).result(60) == ["yes"]
        service.end()

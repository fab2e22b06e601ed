"""Clients see what calls write while a run is under way; the outcome is the truth."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from support.cli import pool_of
from support.providers.script import Fault, Queue, Reply
from support.providers.server import fake_providers
from support.service.process import Service, serving
from tamias import AsyncClient, Client, ServiceTimeoutError, StreamPart, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGENT = '''
"""Writes words while it is under way, one when it may."""

import asyncio
import os
import time
from pathlib import Path

from tamias import Agent, InputEvent, OutputEvent, action
from tamias.agent.limits.limited_call import LimitedCall, Route
from tamias.agent.streams.call_stream import call_stream

HERE = Path(__file__).parent


class Words(LimitedCall):
    """Stands for a call of a model, which is streamed if a client wants that."""

    routes = (Route("words"),)
    function = print

    def __init__(self, name, words):
        self.name = name
        self.words = words
        self.arguments = (name, words)

    def attempt_now(self, route):
        raise NotImplementedError

    async def attempt(self, route):
        stream = call_stream()
        with (HERE / "made").open("a") as made:
            made.write(f"{self.name} {stream is not None}\\n")
        if stream is None:
            return " ".join(self.words)
        attempt = stream.attempt()
        attempt.write(reasoning="hm")
        for number, word in enumerate(self.words):
            attempt.write(word + " ")
            while word == "wait" and not (HERE / f"go-{self.name}").exists():
                await asyncio.sleep(0.005)
        return " ".join(self.words)


class Counter(Agent):
    @action(InputEvent)
    @staticmethod
    async def answer(event, ctx):
        name, words = event.input
        if name == "plain":
            for word in words:
                ctx.stream(word)
            ctx.send_event(OutputEvent(output=words))
            return
        first = ctx.durable_execute_async(Words(name, words))
        other = ctx.durable_execute_async(Words(name + "-2", ["and", "this"]))
        told = await asyncio.gather(first, other)
        ctx.send_event(OutputEvent(output=told))
'''


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service"), agent=AGENT) as service:
        yield service


def text(parts: list[StreamPart], call: int) -> str:
    """What a program shows of a call that prints what comes, and drops it at a reset."""
    shown = ""
    for part in parts:
        if part.call == call:
            shown = "" if part.reset else shown + part.text
    return shown


def test_words_come_before_the_outcome(service: Service) -> None:
    with Client(service.state) as client:
        submission = client.submit("a", ["first", ["one", "wait", "two"]], stream=True)
        parts = []
        for part in submission.stream():
            parts.append(part)
            if text(parts, part.call) == "one wait ":
                assert not submission.done()
                (service.folder.path / "go-first").touch()
        assert submission.result() == [["one wait two", "and this"]]
    assert {text(parts, 1), text(parts, 2)} == {"one wait two ", "and this "}
    assert {part.attempt for part in parts} == {1}
    assert not any(part.reset for part in parts)
    assert [part.reasoning for part in parts if part.reasoning] == ["hm", "hm"]
    assert list(submission.stream()) == parts


def test_a_client_of_asyncio_and_two_at_once(service: Service) -> None:
    async def main() -> None:
        async with AsyncClient(service.state) as client:
            both = [
                await client.submit(f"b{n}", [f"async{n}", ["x", str(n)]], stream=True)
                for n in range(2)
            ]
            for number, submission in enumerate(both):
                parts = [part async for part in submission.stream()]
                assert await submission == [[f"x {number}", "and this"]]
                assert {text(parts, 1), text(parts, 2)} == {f"x {number} ", "and this "}

    asyncio.run(main())


def test_what_the_action_itself_writes_is_seen(service: Service) -> None:
    with Client(service.state) as client:
        submission = client.submit("c", ["plain", ["ab", "cd"]], stream=True)
        assert submission.result() == [["ab", "cd"]]
        assert text(list(submission.stream()), 1) == "abcd"


def test_nothing_is_written_for_those_who_have_not_asked(service: Service) -> None:
    with Client(service.state) as client, Client(service.state) as other:
        silent = client.submit("d", ["silent", ["x"]])
        asked = other.submit("e", ["asked", ["y"]], stream=True)
        assert silent.result() == [["x", "and this"]]
        assert asked.result() == [["y", "and this"]]
        with pytest.raises(UsageError, match="stream=True"):
            silent.stream()
    made = (service.folder.path / "made").read_text().splitlines()
    assert "silent False" in made
    assert "asked True" in made


def test_an_iteration_may_have_a_time_limit(service: Service) -> None:
    with Client(service.state) as client:
        submission = client.submit("f", ["slow", ["one", "wait"]], stream=True)
        with pytest.raises(ServiceTimeoutError, match="still under way"):
            list(submission.stream().each(timeout=0.05))
        (service.folder.path / "go-slow").touch()
        assert submission.result() == [["one wait", "and this"]]


def test_a_killed_worker_makes_a_new_attempt(service: Service) -> None:
    with Client(service.state) as client:
        submission = client.submit("g", ["killed", ["one", "wait", "two"]], stream=True)
        parts = []
        killed = False
        for part in submission.stream():
            parts.append(part)
            if text(parts, part.call) == "one wait ":
                if killed:
                    (service.folder.path / "go-killed").touch()
                else:
                    killed = True
                    for process in pool_of(service.process):
                        if " ".join(process.cmdline()).startswith("tamias worker"):
                            process.kill()
        assert submission.result() == [["one wait two", "and this"]]
    resets = [part for part in parts if part.reset]
    assert [part.attempt for part in resets] == [2] * len(resets)
    assert text(parts, resets[0].call) == "one wait two "
    made = (service.folder.path / "made").read_text().splitlines()
    assert made.count("killed True") == 2
    assert made.count("killed-2 True") == 1  # it was on record


def test_a_client_that_comes_back_sees_the_rest(service: Service) -> None:
    name = "returning"
    with Client(service.state, client_id=name) as client:
        first = client.submit("h", ["gone", ["one", "wait", "two"]], stream=True)
        parts: list[StreamPart] = []
        for part in first.stream():
            parts.append(part)
            if text(parts, part.call) == "one wait ":
                break
    with Client(service.state, client_id=name) as client:
        again = client.submit("h", ["gone", ["one", "wait", "two"]], stream=True)
        (service.folder.path / "go-gone").touch()
        assert again.result() == [["one wait two", "and this"]]
        # What it has missed is missing, and nothing that follows it is shown in its place.
        assert all(part.text in {"", "and this "} for part in again.stream())


MODEL_AGENT = '''
"""Asks a model."""

import os

from tamias import (
    Agent,
    ChatMessage,
    InputEvent,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
    action,
    chat_model_connection,
    chat_model_setup,
)


class Counter(Agent):
    @chat_model_connection
    @staticmethod
    def service():
        return ResourceDescriptor(
            clazz="tamias.OpenAIChatModelConnection",
            api_base_url=os.environ["FAKE_URL"],
            api_key="none",
        )

    @chat_model_setup
    @staticmethod
    def model():
        return ResourceDescriptor(
            clazz="tamias.OpenAIChatModelSetup", connection="service", model="fake"
        )

    @action(InputEvent)
    @staticmethod
    async def ask(event, ctx):
        model = ctx.get_resource("model", ResourceType.CHAT_MODEL)
        answer = await model.achat([ChatMessage(content=event.input)])
        ctx.send_event(OutputEvent(output=answer.content))
'''


def test_the_words_of_a_model_come_as_it_says_them(tmp_path: Path) -> None:
    words = [f"word{n} " for n in range(30)]
    answer = Reply("".join(words), reasoning="let me think", pause=0.03)
    with (
        fake_providers(Queue([Fault(status=503), answer, Reply("at once")])) as fake,
        serving(tmp_path, agent=MODEL_AGENT, FAKE_URL=fake.openai_url) as service,
        Client(service.state) as client,
    ):
        submission = client.submit("a", "talk", stream=True)
        parts = []
        for part in submission.stream():
            parts.append(part)
            assert len(parts) > 1 or not submission.done()
        assert submission.result() == ["".join(words)]
        assert client.submit("a", "once more").result() == ["at once"]
        service.end()
    assert text(parts, 1) == "".join(words)
    assert "".join(part.reasoning for part in parts) == "let me think"
    assert len(parts) > 5
    assert [ask.stream for ask in fake.asked] == [True, True, False]

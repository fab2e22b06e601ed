"""Calls that could be made again with the same result: nothing waits for their records."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from support.loops import on_loop
from support.worker.bench import bench
from tamias import (
    Agent,
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    InputEvent,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
)

if TYPE_CHECKING:
    from pathlib import Path

CALLS: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    CALLS.clear()


class Asking(BaseEmbeddingModelConnection):
    def embed(self, text: Any, **kwargs: Any) -> Any:
        CALLS[text] += 1
        time.sleep(kwargs["seconds"])
        return [float(len(text))]

    async def aembed(self, text: Any, **kwargs: Any) -> Any:
        return self.embed(text, **kwargs)


class Computing(Asking):
    is_repeatable: ClassVar[bool] = True


class Texts(BaseEmbeddingModelSetup):
    model: str = "m"
    seconds: float = 0.0

    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {"seconds": self.seconds}


def pay(number: float) -> float:
    CALLS["pay"] += 1
    return number


def agent_of(connection: type[Asking], act: Any, **arguments: Any) -> Agent:
    agent = Agent()
    agent.add_resource(
        "here", ResourceType.EMBEDDING_MODEL_CONNECTION, ResourceDescriptor(clazz=connection)
    )
    setup = ResourceDescriptor(clazz=Texts, connection="here", **arguments)
    agent.add_resource("texts", ResourceType.EMBEDDING_MODEL, setup)
    agent.add_action("act", [InputEvent], act)
    return agent


async def three(event: Any, ctx: Any) -> None:
    model = ctx.get_resource("texts", ResourceType.EMBEDDING_MODEL)
    found = [await model.aembed(text) for text in ("a", "bb", "ccc")]
    ctx.send_event(OutputEvent(output=found))


def three_now(event: Any, ctx: Any) -> None:
    model = ctx.get_resource("texts", ResourceType.EMBEDDING_MODEL)
    ctx.send_event(OutputEvent(output=[model.embed(text) for text in ("a", "bb", "ccc")]))


async def embed_and_pay(event: Any, ctx: Any) -> None:
    model = ctx.get_resource("texts", ResourceType.EMBEDDING_MODEL)
    (number,) = await model.aembed("bb")
    ctx.send_event(OutputEvent(output=await ctx.durable_execute_async(pay, number)))


@pytest.mark.parametrize("act", [three, three_now])
@on_loop
async def test_their_records_are_part_of_the_next_commit(tmp_path: Path, act: Any) -> None:
    commits = []
    for connection in (Asking, Computing):
        with bench(agent_of(connection, act), tmp_path / connection.__name__) as life:
            assert await life.run(("k", 0)) == [[[[1.0], [2.0], [3.0]]]]
            commits.append(life.commits)
    assert commits[0] == 4
    assert commits[1] in (1, 2)


@on_loop
async def test_an_action_that_makes_many_leaves_the_loop_to_others_in_between(
    tmp_path: Path,
) -> None:
    with bench(agent_of(Computing, three, seconds=0.02), tmp_path) as life:
        assert await life.run(("k", 0)) == [[[[1.0], [2.0], [3.0]]]]
        assert life.commits > 1


@on_loop
async def test_what_was_recorded_later_has_them_on_record(tmp_path: Path) -> None:
    agent = agent_of(Computing, embed_and_pay)
    for commits, calls in ((0, 1), (2, 2)):  # embedding, payment
        with bench(agent, tmp_path, commits_left=commits) as life:
            life.send(("k", 0))
            await life.until(0)
            assert not life.done
        assert dict(CALLS) == {"bb": calls, "pay": calls}
    with bench(agent, tmp_path) as life:
        assert await life.run(("k", 0)) == [[2.0]]
    assert CALLS == {"bb": 2, "pay": 2}

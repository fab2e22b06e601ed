"""What an agent has left of a key all over a state directory, and what `memory forget` leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from tamias import Agent, InputEvent, OutputEvent, RunnerContext, action, run_agent
from tamias.cli.app import application

if TYPE_CHECKING:
    from pathlib import Path


def looked_up(text: str) -> str:
    """What a durable call returns."""
    return f"found {text}"


class Everywhere(Agent):
    """Leaves its inputs in as many places as there are."""

    @action(InputEvent)
    @staticmethod
    async def leave(event: InputEvent, ctx: RunnerContext) -> None:
        """Leave the input everywhere."""
        text = event.input["text"]
        found = await ctx.durable_execute_async(looked_up, text)
        ctx.short_term_memory.set("last", {"text": found})
        sets = ctx.long_term_memory
        items = [f"{text} {number}" for number in range(300)]
        ids = [f"{ctx.key} {number}" for number in range(300)]
        await sets.get_memory_set("notes").aadd(items, ids, {"about": text})
        await sets.get_memory_set("all", shared=True).aadd(items, ids, ttl=10**7)
        sets.get_memory_set("old").add(text)
        sets.delete_memory_set("old")
        ctx.schedule(after=10**8, event=InputEvent(input=event.input))
        ctx.send_event(OutputEvent(output=text))
        if event.input.get("fails"):
            raise ValueError(text)
        if event.input.get("asks"):
            await ctx.wait_for("what", ask={"of": text})


def inputs(*texts: str) -> list[Any]:
    """Inputs of keys that are the texts: plain ones, one that fails, one that waits."""
    return [
        (text, {"text": f"marker of {text}", **more})
        for more in ({}, {"fails": True}, {"asks": True}, {})
        for text in texts
    ]


def files_with(state: Path, text: str) -> list[str]:
    """The files of a state directory that have a text in them."""
    return sorted(
        str(path.relative_to(state))
        for path in state.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    )


def forget(state: Path, key: str) -> dict[str, Any]:
    """The report of the command."""
    words = ["memory", "forget", str(state), "--key", key, "--json"]
    done = CliRunner().invoke(application("memory"), words, prog_name="tamias")
    assert done.exit_code == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_nothing_of_a_key_is_left_and_the_job_goes_on(tmp_path: Path) -> None:
    state = tmp_path / "state"
    config = {"max-attempts": 1, "shards": 1}
    run = run_agent(
        Everywhere, inputs("ada", "bob"), state=state, on_error="dead-letter", config=config
    )
    assert (len(run.failures), run.waiting) == (2, 2), [one.error for one in run.failures]
    assert files_with(state, "marker of ada")
    removed = forget(state, "ada")["removed"]
    kinds = "fields sets items shared_items dead_letters waiting_runs waiting_inputs timers"
    assert set(kinds.split()) | {"questions", "journal_records", "traces"} <= removed.keys()
    assert (removed["items"], removed["shared_items"], removed["sets"]) == (300, 300, 1)
    assert removed["kept_outputs"] == 2  # an output and a question
    assert files_with(state, "marker of ada") == files_with(state, "sada") == []
    assert files_with(state, "marker of bob")
    assert forget(state, "ada")["removed"] == {}
    again = run_agent(
        Everywhere,
        [*inputs("ada", "bob"), ("bob", {"text": "marker of bob"})],
        state=state,
        on_error="dead-letter",
        config=config,
        answers={"what": "this"},
    )
    assert again.waiting == 0
    assert list(again.memory) == ["bob"]
    assert again.outputs_of("ada") == []
    assert again.outputs_of("bob") == 4 * ["marker of bob"]
    assert files_with(state, "marker of ada") == []
    assert forget(state, "bob")["removed"]["kept_outputs"] == 5
    assert files_with(state, "marker of bob") == []

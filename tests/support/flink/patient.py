"""An agent that waits in all ways, and a judge of what has come of it."""

from __future__ import annotations

import json
import zlib
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from support.flink.agent import call
from tamias import Agent, EndOfInputEvent, Event, InputEvent, OutputEvent, RunnerContext, action

if TYPE_CHECKING:
    from collections.abc import Iterable

LAST = 1 << 62
WAYS = ("go on", "sleep", "ask", "schedule")


def way_of(n: int) -> str:
    """How the run of an input waits."""
    return WAYS[n // 3 % len(WAYS)]


class Later(Event):
    """A timer."""

    n: int


class Patient(Agent):
    """Waits, and puts out a count and a digest of all inputs of the key so far, as `Chained`."""

    @action(InputEvent)
    @staticmethod
    async def work(event: InputEvent, ctx: RunnerContext) -> None:
        row: Any = event.input
        n = row["n"]
        pause = ctx.config.get_float("pause", 0.2)
        calls = ctx.config.get_str("calls", "")
        await ctx.durable_execute_async(call, str(ctx.key), n, calls)
        answer = None
        if way_of(n) == "sleep":
            await ctx.sleep(pause)
        elif way_of(n) == "ask" and ctx.config.get_str("asks", "yes") != "yes":
            await ctx.sleep(pause)
            answer = f"yes to {n}"
        elif way_of(n) == "ask":
            answer = await ctx.wait_for("approve", ask={"key": ctx.key, "n": n})
        elif way_of(n) == "schedule":
            ctx.schedule(after=pause, event=Later(n=n))
        memory = ctx.short_term_memory
        count = (memory.get("count") or 0) + 1
        chain = zlib.crc32(b"%d" % n, memory.get("chain") or 0)
        memory.set("count", count)
        memory.set("chain", chain)
        output = {"key": ctx.key, "n": n, "count": count, "chain": chain, "answer": answer}
        ctx.send_event(OutputEvent(output=output))

    @action(Later)
    @staticmethod
    def remind(event: Later, ctx: RunnerContext) -> None:
        memory = ctx.short_term_memory
        late = (memory.get("late") or 0) + 1
        memory.set("late", late)
        ctx.send_event(OutputEvent(output={"key": ctx.key, "later": event.n, "late": late}))

    @action(EndOfInputEvent)
    @staticmethod
    def end(event: EndOfInputEvent, ctx: RunnerContext) -> None:
        del event
        count = ctx.short_term_memory.get("count") or 0
        ctx.send_event(OutputEvent(output={"key": ctx.key, "end": count}))


def answer_line(question: dict[str, Any]) -> str:
    """A line with the answer to a question that has gone to a sink as JSON."""
    answer = {
        "k": question["key"],
        "answer_to": question["token"],
        "value": f"yes to {question['ask']['n']}",
    }
    return json.dumps(answer) + "\n"


def place_of(output: dict[str, Any]) -> tuple[str, int]:
    """The place of an output among those of its key and kind, as the agent has counted them."""
    return output["key"], output.get("count") or output.get("late") or LAST


def judge(
    outputs: Iterable[dict[str, Any]], count: int | None, keys: int, *, has_ended: bool = True
) -> int:
    """Check that every effect came once, and those of a key in their order; return how many runs.

    Args:
        outputs: all outputs but questions, those of a key in the order in which they came.
        count: the inputs, which go to the keys in turn; None if the job was ended in the middle.
        keys: the number of keys.
        has_ended: whether each key has been told of the end of the input.
    """
    runs: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    late: defaultdict[str, list[int]] = defaultdict(list)
    timers: Counter[int] = Counter()
    ends: Counter[str] = Counter()
    for output in outputs:
        key = output["key"]
        if "later" in output:
            timers[output["later"]] += 1
            late[key].append(output["late"])
        elif "end" in output:
            ends[key] += 1
            assert output["end"] == len(runs[key]), key
        else:
            runs[key].append(output)
    for key, found in runs.items():
        _judge_key(key, found, keys)
    assert all(b == a + 1 for orders in late.values() for a, b in pairwise([0, *orders]))
    done = {output["n"] for found in runs.values() for output in found}
    expected = {n for n in done if way_of(n) == "schedule"}
    assert set(timers.values()) <= {1}
    if count is None:
        assert timers.keys() <= expected
    else:
        assert done == set(range(count))
        assert timers.keys() == expected
    assert ends == (dict.fromkeys(runs, 1) if has_ended else {})
    return len(done)


def _judge_key(key: str, found: list[dict[str, Any]], keys: int) -> None:
    first = int(key.removeprefix("key-"))
    digest = 0
    for place, output in enumerate(found):
        n = first + place * keys
        digest = zlib.crc32(b"%d" % n, digest)
        assert (output["n"], output["count"], output["chain"]) == (n, place + 1, digest), output
        assert output["answer"] == (f"yes to {n}" if way_of(n) == "ask" else None), output

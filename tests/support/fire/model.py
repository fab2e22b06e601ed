"""What has to come out of `agent.py`, computed without any of the code under test.

Outputs and memory are exact but for the tokens of durable calls, which stand as `Token(i, name)`
and are compared with the call log: the token must be that of the *last* call with this name, since
once a call is on record there must not be another. An answer stands as `Given(i)`: which one it is
decides who has answered first. Runs of timers and ends are no part of the model, see `waiting.py`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

DEADLY = {"segv", "exit", "abort", "overflow", "spin", "sleep"}
DEAD = {
    "raise",
    "malformed",
    "bogus",
    "hang",
    "thread-hang",
    *DEADLY,
    *(f"async-{kind}" for kind in DEADLY),
}
BROKEN = "broken-"
FEW = 10
"""Items of the bounded memory set of each key, as the agent says."""


class Token(NamedTuple):
    """The answer that the outside world gave to the last call `name` of input `i`."""

    i: int
    name: str


class Given(NamedTuple):
    """The answer to the question of input `i`."""

    i: int


WAITS: dict[str, tuple[str, ...]] = {
    "nap": ("n0", "n1"),
    "flaky-nap": ("n0", "n1"),
    "naps": ("p0", "p1", "p2"),
    "ask": ("n0", "n1"),
    "late": ("n0", "n1"),
}
"""The calls of kinds that wait."""


class Model:
    """Runs inputs in order; `memory` and `outputs` are by key, `calls` is every call to be made."""

    def __init__(self, inputs: list[tuple[str, dict[str, Any]]], *, repaired: bool = False) -> None:
        """`repaired` is for a job whose broken inputs are retried with code that can do them."""
        self.memory: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.calls: set[Token] = set()
        self.notes: dict[str, list[str]] = {}
        """By key, the texts in its memory set."""
        self.few: dict[str, list[str]] = {}
        """By key, the texts in its set that has few."""
        self.noted: list[str] = []
        """The texts in the shared memory set."""
        self.dead: dict[int, str] = {}
        """Kinds of the inputs that must end in the dead letters, by offset."""
        for offset, (key, value) in enumerate(inputs):
            self._run(key, offset, **value)
        for offset in sorted(self.dead) if repaired else ():
            key, value = inputs[offset]
            if value["kind"].startswith(BROKEN):
                del self.dead[offset]
                self._run(key, offset, **{**value, "kind": value["kind"].removeprefix(BROKEN)})

    def _run(self, key: str, offset: int, i: int, n: int, kind: str) -> None:
        if kind in DEAD or kind.startswith(BROKEN):
            self.dead[offset] = kind
            if kind.startswith("async-"):
                self._call(i, "deadly")
            return
        memory = self.memory.setdefault(key, {})
        _remember(memory, n)
        note: Any = None
        if kind == "call":
            note = memory["token"] = self._call(i, "sync")
        elif kind == "callfail":
            note = self._call(i, "fail")
        elif kind == "note":
            note = self._add_notes(key, i, n)
        elif kind == "twice":
            note = [self._call(i, "one"), self._call(i, "two")]
        self._put(key, offset, i=i, step="first", count=memory["count"], clean=True, note=note)
        if kind not in (
            "multi",
            "gather",
            "flaky-gather",
            "slow",
            "threads",
            "mixed",
            "limited",
            *WAITS,
        ):
            return
        wait, kind = kind, kind.removeprefix("flaky-")
        names = {
            "gather": "g0 g1 g2",
            "threads": "t0 t1",
            "mixed": "m0 m1 m2 m3",
            "limited": "l0 l1 l2",
        }.get(kind)
        note = None
        if names is not None:
            note = memory["tokens"] = [self._call(i, name) for name in names.split()]
        elif wait in WAITS:
            note = [self._call(i, name) for name in WAITS[wait]]
            if kind in {"ask", "late"}:
                note.insert(1, {"answer": Given(i)} if kind == "ask" else "late")
            memory["tokens"] = note
        memory["middles"] = memory.get("middles", 0) + 1
        self._put(key, offset, i=i, step="middle", count=memory["count"], note=note, sensory=i)
        memory["audit"] = {"n": n, "of": memory["middles"]}
        memory["lasts"] = memory.get("lasts", 0) + 1
        note = self._call(i, "last") if n % 4 == 0 else None
        sensory = [["first", i], ["middle", n]]
        self._put(
            key, offset, i=i, step="last", lasts=memory["lasts"], note=note, sensory=sensory,
            audit=n,
        )  # fmt: skip

    def _add_notes(self, key: str, i: int, n: int) -> list[Any]:
        notes = self.notes.setdefault(key, [])
        counted = [text for text in notes if " " not in text]
        for text in counted:
            notes.remove(text)
        notes += [f"{i} {k}" for k in range(6)]
        notes.append(str(int(counted[0]) + 1 if counted else 1))
        if n % 3 == 0:
            del notes[:5]
        self.noted.append(str(i))
        few = self.few.setdefault(key, ["pinned"])
        _add_to_few(few, [f"{i} {k}" for k in range(3)])
        _add_to_few(few, [f"Same {n % 3}" if i % 2 else f"same  {n % 3}"])
        return [len(notes), list(few), str(i)]

    def _call(self, i: int, name: str) -> Token:
        token = Token(i, name)
        self.calls.add(token)
        return token

    def _put(self, key: str, offset: int, **output: Any) -> None:
        self.outputs.setdefault(key, []).append((offset, output))


def _remember(memory: dict[str, Any], n: int) -> None:
    count = memory["count"] = memory.get("count", 0) + 1
    memory["sum"] = memory.get("sum", 0) + n
    memory["recent"] = [*memory.get("recent", []), n][-5:]
    largest = memory.setdefault("stats", {}).get("largest", {}).get("n", 0)
    memory["stats"]["largest"] = {"n": max(largest, n), "at": count}
    by = memory.setdefault("by", {})
    by[f"residue{n % 7}"] = by.get(f"residue{n % 7}", 0) + 1
    if count % 10 == 0:
        memory["bag"] = {}
    memory.setdefault("bag", {})[f"b{n % 13}"] = n


def known(value: Any, answers: dict[Token, list[str]], given: dict[int, str]) -> Any:
    """`value` with the tokens filled in from the call log: each the last that was given out.

    `given` has the answers to questions, by input.
    """
    if isinstance(value, Token):
        return answers[value][-1] if value in answers else None
    if isinstance(value, Given):
        return given.get(value.i)
    if isinstance(value, dict):
        return {name: known(item, answers, given) for name, item in value.items()}
    if isinstance(value, list):
        return [known(item, answers, given) for item in value]
    return value


def _add_to_few(few: list[str], texts: list[str]) -> None:
    """Add texts to a set of at most `FEW`: of equal ones the last stays, then the oldest go."""
    few += texts
    if len(few) >= FEW:
        last = {_plain(text): place for place, text in enumerate(few)}
        counts = Counter(map(_plain, few))
        merged = sorted(last[text] for text, count in counts.items() if count > 1)
        alone = [text for text in few if counts[_plain(text)] == 1]
        few[:] = alone + [few[place] for place in merged]
    while len(few) > FEW:
        few.remove(next(text for text in few if text != "pinned"))


def _plain(text: str) -> str:
    return " ".join(text.lower().split())

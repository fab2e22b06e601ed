"""What the fake model says: plain values that know no provider, and scripts that make them.

A script is a function of what is asked (`Ask`), which gives a `Reply`, a `Fault`, or an `Embedded`.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Call:
    """A call of a tool that a model asks for."""

    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict)
    """A text is sent as it is, so it may be malformed, where the protocol has texts."""
    id: str = ""
    """The provider's; by default a new one for each request."""


@dataclass(frozen=True)
class Message:
    """One message of a conversation, whatever the protocol."""

    role: str
    """"system", "user", "assistant" or "tool"."""
    text: str = ""
    calls: tuple[Call, ...] = ()
    call_id: str = ""
    """Of a tool's result: the call that it belongs to."""
    blocks: tuple[str, ...] = ()
    """The types of what is no text: images, documents, reasoning."""


@dataclass(frozen=True)
class Ask:
    """What a client asks of a model."""

    provider: str
    """"openai", "responses", "anthropic" or "ollama"."""
    model: str
    messages: tuple[Message, ...] = ()
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The schemas of the arguments, by name."""
    schema: dict[str, Any] | None = None
    """What the answer has to be valid for."""
    stream: bool = False
    texts: tuple[str, ...] = ()
    """What is to be embedded; empty in a chat."""
    body: dict[str, Any] = field(default_factory=dict)
    """As it was sent."""
    headers: dict[str, str] = field(default_factory=dict)
    number: int = 0
    """Counts all requests of the server."""

    @property
    def last(self) -> str:
        """The text of the last message."""
        return self.messages[-1].text if self.messages else ""

    @property
    def first(self) -> str:
        """The text of the first message of a user: tells conversations apart."""
        return next((each.text for each in self.messages if each.role == "user"), "")

    @property
    def results(self) -> list[str]:
        """What tools have returned since the user's last message."""
        found: list[str] = []
        for message in self.messages:
            if message.role == "user":
                found.clear()
            elif message.role == "tool":
                found.append(message.text)
        return found

    @property
    def rounds(self) -> int:
        """How often the model has asked for tools since the user's last message."""
        count = 0
        for message in self.messages:
            if message.role == "user":
                count = 0
            elif message.role == "assistant" and message.calls:
                count += 1
        return count


@dataclass(frozen=True)
class Used:
    """The tokens of a reply; None is counted by the length of texts."""

    prompt: int | None = None
    completion: int | None = None
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Reply:
    """What the model says."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    used: Used = Used()
    finish: str = ""
    """The provider's word for why it stopped; by default the usual one."""
    delay: float = 0
    """Seconds before the answer."""
    pause: float = 0
    """Seconds between two chunks of a stream."""


@dataclass(frozen=True)
class Embedded:
    """Vectors, one per text."""

    vectors: tuple[tuple[float, ...], ...]
    delay: float = 0


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    ``kind`` is "status" (an error of the protocol), "hang" (no answer), "cut" (the connection ends
    within the answer), "stall" (the answer stops, the connection stays), "malformed" (no JSON, or
    half of one), "html" (a page of a proxy), "refused" (closed without an answer), or "event" (an
    error within a stream).
    """

    kind: str = "status"
    status: int = 500
    code: str = ""
    """The provider's code; by default the usual one of the status."""
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0


def rate_limited(retry_after: float | str | None = None, *, milliseconds: bool = False) -> Fault:
    """A status 429; the time may be seconds, a date as text, or given in milliseconds."""
    headers = {}
    if milliseconds and not isinstance(retry_after, str) and retry_after is not None:
        headers["retry-after-ms"] = str(int(retry_after * 1000))
    elif retry_after is not None:
        headers["retry-after"] = str(retry_after)
    return Fault(status=429, headers=headers)


Answer: TypeAlias = "Reply | Fault | Embedded"
Script: TypeAlias = "Callable[[Ask], Answer]"


class Queue:
    """A script: the answers in order, then those of `after` (by default an error)."""

    def __init__(self, answers: Iterable[Answer | str], after: Script | None = None) -> None:
        self._answers = deque(answers)
        self._after = after

    def __call__(self, ask: Ask) -> Answer:
        """Give the next answer."""
        if self._answers:
            answer = self._answers.popleft()
            return Reply(answer) if isinstance(answer, str) else answer
        if self._after is not None:
            return self._after(ask)
        return Fault(status=400, message="The script of the fake server has no more answers.")


def echo(ask: Ask) -> Answer:
    """A script: says again what was said last; what is valid for a schema; vectors of texts."""
    if ask.texts:
        return embedded(ask)
    if ask.schema is not None:
        return Reply(json.dumps(fill(ask.schema)))
    return Reply(f"You said: {ask.last}")


def agent(rounds: int = 2, at_once: int = 1, delay: float = 0) -> Script:
    """A script that has no state: asks for tools `rounds` times, then answers with their results.

    It goes by the conversation alone, so any number of conversations may be interleaved, and one
    that is carried on after a crash gets the same answers.
    """

    def script(ask: Ask) -> Answer:
        if ask.texts:
            return embedded(ask)
        done = ask.rounds
        if done < rounds and ask.tools:
            names = sorted(ask.tools)
            calls = []
            for index in range(at_once):
                name = names[(done * at_once + index) % len(names)]
                calls.append(Call(name, fill(ask.tools[name], done * at_once + index)))
            return Reply(calls=tuple(calls), delay=delay)
        if ask.schema is not None:
            return Reply(json.dumps(fill(ask.schema)), delay=delay)
        return Reply(f"{ask.first}: {', '.join(ask.results)}", delay=delay)

    return script


def embedded(ask: Ask, dimensions: int = 8) -> Embedded:
    """Vectors that depend on the texts alone."""
    size = int(ask.body.get("dimensions") or dimensions)
    return Embedded(tuple(vector(text, size) for text in ask.texts))


def vector(text: str, size: int) -> tuple[float, ...]:
    """Numbers between -1 and 1, of single precision, that depend on the text alone."""
    found: list[float] = []
    block = 0
    while len(found) < size:
        digest = hashlib.sha256(f"{block}:{text}".encode()).digest()
        found += [(each - 128) / 128 for each in digest]
        block += 1
    return tuple(found[:size])


def fill(schema: dict[str, Any], seed: int = 0) -> Any:
    """Make a value that is valid for a JSON schema of the usual kinds."""
    return _fill(schema, schema, seed)


def _fill(schema: dict[str, Any], root: dict[str, Any], seed: int) -> Any:
    if "$ref" in schema:
        found: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return _fill(found, root, seed)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][seed % len(schema["enum"])]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return _fill(schema[several][0], root, seed)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return {
            name: _fill(each, root, seed) for name, each in schema.get("properties", {}).items()
        }
    if kind == "array":
        return [_fill(schema.get("items", {}), root, seed)] * max(1, schema.get("minItems", 0))
    plain: dict[Any, Any] = {
        "integer": max(seed, schema.get("minimum", seed)),
        "number": max(float(seed), schema.get("minimum", seed)),
        "boolean": seed % 2 == 0,
        "null": None,
    }
    return plain.get(kind, f"text {seed}")

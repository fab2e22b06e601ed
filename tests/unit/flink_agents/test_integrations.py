"""Models, MCP servers and long-term memory as programs of Flink Agents name and use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

TESTS = Path(__file__).parents[2]

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process

HELLO = """
    import asyncio
    from types import SimpleNamespace as Made
    from pydantic import BaseModel
    from tamias import ChatMessage, MessageRole, OutputSchema, ResourceContext
    HELLO = [ChatMessage(content="hi")]

    class Person(BaseModel):
        name: str

    class Calls:
        def __init__(self, answer):
            self.answer, self.asked = answer, []
        def __call__(self, **asked):
            self.asked.append(asked)
            return self.answer
"""


def test_clients_that_a_program_sets_are_asked(run_program: RunProgram) -> None:
    said = run_program(
        HELLO
        + """
    from flink_agents.integrations.chat_models.anthropic.anthropic_chat_model import (
        AnthropicChatModelConnection)
    from flink_agents.integrations.chat_models.ollama_chat_model import OllamaChatModelConnection
    from flink_agents.integrations.chat_models.openai.openai_chat_model import (
        OpenAIChatModelConnection)

    call = Made(id="c1", function=Made(name="add", arguments='{"a": 1}'))
    choice = Made(message=Made(content=None, refusal=None, tool_calls=[call]), finish_reason="stop")
    usage = Made(prompt_tokens=3, completion_tokens=2)
    create = Calls(Made(choices=[choice], usage=usage))
    openai = OpenAIChatModelConnection(api_key="k", name="ignored")
    openai._client = Made(chat=Made(completions=Made(create=create)), close=lambda: None)
    answer = openai.chat(HELLO, model="gpt-4o", output_schema=OutputSchema(Person))
    print(answer.tool_calls[0]["function"], answer.extra_args["promptTokens"])
    print(create.asked[0]["response_format"]["json_schema"]["name"])
    openai.chat(HELLO, model="gpt-4", output_schema=OutputSchema(Person))
    print("response_format" in create.asked[1])

    blocks = [Made(type="text", text="yes")]
    create = Calls(Made(content=blocks, usage=Made(input_tokens=1, output_tokens=1)))
    anthropic = AnthropicChatModelConnection(api_key="k")
    anthropic._client = Made(messages=Made(create=create), close=lambda: None)
    told = asyncio.run(anthropic.achat(HELLO, model="claude-3-5-haiku", json_prefill=True))
    print(told.content, create.asked[0]["messages"][-1])

    message = Made(content="<think>Hm.</think>No.", tool_calls=None)
    ollama = OllamaChatModelConnection()
    ollama._OllamaChatModelConnection__client = Made(chat=Calls(Made(message=message)))
    told = ollama.chat(HELLO, model="m", extract_reasoning=True)
    print(told.content, told.extra_args)

    async def last():
        return [piece async for piece in ollama.astream(HELLO, model="m")][-1]
    print(asyncio.run(last()).message.content)
    for each in (openai, anthropic, ollama):
        each.close()
    """,
        "0.4",
    )
    assert said.splitlines() == [
        "{'name': 'add', 'arguments': {'a': 1}} 3",
        "Person",
        "False",
        "{yes {'role': 'assistant', 'content': '{'}",
        "No. {'reasoning': 'Hm.'}",
        "<think>Hm.</think>No.",
    ]


@pytest.mark.parametrize(
    ("dialect", "model"),
    [("0.2", "gpt-3.5-turbo"), ("0.3", "gpt-3.5-turbo"), ("0.4", "gpt-4o-mini")],
)
def test_arguments_are_those_of_flink_agents(
    run_program: RunProgram, dialect: str, model: str
) -> None:
    said = run_program(
        HELLO
        + """
    from flink_agents.integrations.chat_models.azure.azure_openai_chat_model import (
        AzureOpenAIChatModelConnection, AzureOpenAIChatModelSetup)
    from flink_agents.integrations.chat_models.openai.openai_chat_model import OpenAIChatModelSetup
    from flink_agents.integrations.chat_models.vllm.vllm_chat_model import VLLMChatModelConnection
    from flink_agents.integrations.embedding_models.openai_embedding_model import (
        OpenAIEmbeddingModelConnection)

    print(OpenAIChatModelSetup(connection="c", additional_kwargs=None).model)
    setup = AzureOpenAIChatModelSetup(connection="c", model="d", additional_kwargs={"seed": 1})
    print(setup.model_kwargs)
    azure = AzureOpenAIChatModelConnection(api_key="k", azure_endpoint="e", api_version="v")
    for more in ({"temperature": 1}, {}):
        try:
            azure.chat(HELLO, model="d" if more else None, additional_kwargs=more)
        except ValueError as error:
            print(str(error).partition(". ")[0])
    server = VLLMChatModelConnection(api_key=" ")
    print(server.api_key, server.api_base_url, "EMPTY" in repr(server))
    account = OpenAIEmbeddingModelConnection(api_key="k", organization="o")
    print(account.default_headers)
    """,
        dialect,
    )
    assert said.splitlines() == [
        model,
        "{'model': 'd', 'additional_kwargs': {'seed': 1}}",
        "additional_kwargs have temperature, which the setup has a field for",
        "A call of Azure OpenAI needs model, the name of a deployment",
        "EMPTY http://localhost:8000/v1 False",
        "{'OpenAI-Organization': 'o'}",
    ]


def test_vector_stores_have_the_methods_of_either_version(run_program: RunProgram) -> None:
    said = run_program(
        """
    from flink_agents.api.embedding_models.embedding_model import BaseEmbeddingModelSetup
    from flink_agents.api.vector_stores.vector_store import (
        Collection, CollectionManageableVectorStore, Document, VectorStoreQuery)

    class OneText(BaseEmbeddingModelSetup):
        @property
        def model_kwargs(self):
            return {}
        def embed(self, text, **kwargs):
            return [float(len(text)), 1.0] if isinstance(text, str) else 1 / 0

    class Shelf(CollectionManageableVectorStore):
        books: dict = {}
        @property
        def store_kwargs(self):
            return {}
        def get(self, ids=None, collection_name=None, filters=None, limit=100, **kwargs):
            return self.books[collection_name]
        def delete(self, ids=None, collection_name=None, filters=None, **kwargs):
            self.books[collection_name] = []
        def delete_collection(self, name):
            del self.books[name]
        def _query_embedding(self, embedding, limit=10, collection_name=None, filters=None):
            return self.books[collection_name][:limit]
        def _add_embedding(self, *, documents, collection_name=None, **kwargs):
            self.books[collection_name] += documents
            return [each.id for each in documents]

    class Newer(Shelf):
        def create_collection_if_not_exists(self, name, **kwargs):
            self.books.setdefault(name, [])

    class Older(Shelf):
        def get_or_create_collection(self, name, metadata=None):
            self.books.setdefault(name, [])
            return Collection(name=name)

    model = OneText(connection="c", model="m")
    for kind in (Newer, Older):
        shelf = kind(embedding_model="e", get_resource=lambda *_: model)
        shelf.create_collection_if_not_exists("a", metadata={})
        print(shelf.get_or_create_collection("a").name, shelf.size("a"))
        shelf.add([Document(id="1", content="x"), Document(id="2", content="yy")], "a")
        print([each.embedding for each in shelf.get(collection_name="a")])
        query = VectorStoreQuery(query_text="x", collection_name="a", filters={"k": 1}, limit=1)
        print(len(shelf.query(query).documents))
    try:
        Shelf().create_collection_if_not_exists("a")
    except Exception as error:
        print(type(error).__name__)
    try:
        Newer().add([Document(content="x")], "a")
    except TypeError as error:
        print(str(error).partition(". ")[0])
    """
    )
    once = ["a 0", "[[1.0, 1.0], [2.0, 1.0]]", "1"]
    assert said.splitlines() == [
        *once,
        *once,
        "AgentDefinitionError",
        "No embedding model configured: the vector store cannot embed a text",
    ]


def test_mcp_servers_and_their_tools_are_written_and_read(run_program: RunProgram) -> None:
    said = run_program(
        """
    import json
    from flink_agents.api.tools.tool import ToolMetadata
    from flink_agents.integrations.mcp.mcp import MCPServer, MCPTool

    class Signs:
        def __init__(self, key):
            self.key = key
        async def async_auth_flow(self, request):
            yield request

    server = MCPServer(endpoint="http://x/mcp", auth=Signs("k"), timeout=5, headers=None)
    again = server.model_validate_json(server.model_dump_json(serialize_as_any=True))
    print(again.endpoint, again.auth.key, again.timeout, again._parameters.auth["type"])
    metadata = ToolMetadata(name="add", description="Adds.", args_schema={"type": "object"})
    tool = MCPTool(metadata=metadata, mcp_server=server, mcp_server_name="sums")
    again = MCPTool.model_validate(json.loads(tool.model_dump_json()))
    print(again.metadata == metadata, again.name, again.get_tool_execution_metadata({}))
    print(again.mcp_server.auth.key)
    """
    )
    assert said.splitlines() == [
        "http://x/mcp k 5.0 object",
        "True add {'mcpServer': 'sums'}",
        "k",
    ]


def test_memory_sets_are_plain_data_too(run_program: RunProgram) -> None:
    said = run_program(
        """
    import tamias
    from flink_agents.api.chat_message import ChatMessage
    from flink_agents.api.memory.long_term_memory import (
        BaseLongTermMemory, CompactionConfig, MemorySet)

    kept = MemorySet(name="s", item_type=ChatMessage, capacity=3,
                     compaction_config=CompactionConfig(model="m"))
    again = MemorySet.model_validate_json(kept.model_dump_json())
    print(again == kept, again.item_type is ChatMessage)

    class Own:
        def add(self, **asked):
            print(sorted(asked), asked["metadatas"])
            return ["1"]
    print(MemorySet(name="s", ltm=Own()).add("x", {"k": 1}))
    print(issubclass(tamias.LongTermMemory, BaseLongTermMemory))

    class Mine(tamias.LongTermMemory):
        def get_memory_set(self, name, **settings): ...
        def delete_memory_set(self, name, **settings): ...
        def memory_set_names(self, **settings): ...
    print(isinstance(Mine(), BaseLongTermMemory))
    print(isinstance(kept, MemorySet), isinstance(1, MemorySet))
    """,
        "0.2",
    )
    assert said.splitlines() == [
        "True True",
        "['memory_items', 'memory_set', 'metadatas'] {'k': 1}",
        "['1']",
        "False",
        "True",
        "True False",
    ]


def test_helpers_make_what_services_take(run_program: RunProgram) -> None:
    said = run_program(
        """
    import json
    from types import SimpleNamespace as Made
    from tamias import ChatMessage, MessageRole, ToolMetadata
    from flink_agents.integrations.chat_models.anthropic.anthropic_chat_model import (
        convert_to_anthropic_messages, convert_to_anthropic_system_prompts, to_anthropic_tool)
    from flink_agents.integrations.chat_models.chat_model_utils import to_openai_tool
    from flink_agents.integrations.chat_models.openai.openai_utils import (
        convert_from_openai_message, convert_to_openai_messages, resolve_openai_credentials)
    from flink_agents.integrations.mcp.utils import extract_mcp_content_item

    call = {"id": "i", "original_id": "o", "function": {"name": "f", "arguments": {"a": 1}}}
    talk = [
        ChatMessage(role=MessageRole.SYSTEM, content="s"),
        ChatMessage(role=MessageRole.ASSISTANT, tool_calls=[call]),
        ChatMessage(role=MessageRole.TOOL, content="r", extra_args={"external_id": "o"}),
    ]
    metadata = ToolMetadata(name="f", description="d")
    asked = Made(id="o", type="function", function=Made(name="f", arguments="{}"))
    refused = Made(role="assistant", content=None, refusal="", tool_calls=[asked])
    answer = convert_from_openai_message(refused, {"promptTokens": 1})
    print(json.dumps([
        convert_to_openai_messages(talk)[1:],
        convert_to_anthropic_messages(talk)[1],
        convert_to_anthropic_system_prompts(talk),
        to_openai_tool(metadata=metadata)["function"]["parameters"],
        sorted(to_anthropic_tool(metadata=metadata)),
        resolve_openai_credentials("k", "u"),
        [answer.content, answer.extra_args, answer.tool_calls[0]["original_id"]],
        extract_mcp_content_item(Made(type="text", text="t")),
    ]))
    try:
        to_openai_tool(metadata=ToolMetadata(name="f", description="d" * 1025))
    except ValueError as error:
        print(str(error).partition(". ")[0])
    """
    )
    made, refused = said.splitlines()
    wire_call = {"id": "o", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    result = {"type": "tool_result", "tool_use_id": "o", "content": "r"}
    assert json.loads(made) == [
        [
            {"role": "assistant", "content": None, "tool_calls": [wire_call]},
            {"role": "tool", "content": "r", "tool_call_id": "o"},
        ],
        {"role": "user", "content": [result]},
        [{"type": "text", "text": "s"}],
        {"type": "object", "properties": {}},
        ["description", "input_schema", "name"],
        ["k", "u"],
        ["", {"promptTokens": 1, "refusal": ""}, "o"],
        "t",
    ]
    assert refused == "The description of the tool 'f' has 1025 characters; services take 1024"


def test_setups_and_connections_of_a_program(run_program: RunProgram) -> None:
    said = run_program(
        HELLO
        + """
    from flink_agents.api.chat_models.chat_model import (
        BaseChatModelConnection, BaseChatModelSetup, StructuredOutputStrategy)
    from flink_agents.integrations.chat_models.openai.openai_chat_model import OpenAIChatModelSetup

    class Echo(BaseChatModelConnection):
        def chat(self, messages, tools=None, output_schema=None, **kwargs):
            self._reject_unsupported_output_schema(output_schema)
            return ChatMessage(role=MessageRole.ASSISTANT, content=messages[-1].content)

    class Setup(BaseChatModelSetup):
        @property
        def model_kwargs(self):
            return {}

    setup = Setup(connection="c", model="m", structured_output_strategy="PROMPT")
    setup._resolved_connection = Echo()
    print(setup.chat(HELLO).content, setup.structured_output_strategy, setup.output_strategy.value)
    print(StructuredOutputStrategy.AUTO.resolves_to_native(True), Setup(connection="c", model="m",
          structured_output_strategy=None).structured_output_strategy.value)
    try:
        Echo().chat(HELLO, output_schema={})
    except NotImplementedError as error:
        print(str(error).partition(". ")[0])
    print(isinstance(OpenAIChatModelSetup(connection="c"), BaseChatModelSetup))

    class Group:
        def __init__(self):
            self.groups, self.count = {}, 0
        def get_sub_group(self, *names):
            return self.groups.setdefault(names, Group())
        get_counter = get_sub_group
        def inc(self, n):
            self.count += n
    group = Group()
    setup._record_token_metrics("gpt", 2, 1, group)
    setup._record_token_metrics("gpt", 2, 1, None)
    print([(names, each.groups[("promptTokens",)].count) for names, each in group.groups.items()])
    """,
        "0.4",
    )
    assert said.splitlines() == [
        "hi StructuredOutputStrategy.PROMPT prompt",
        "True auto",
        "__main__.Echo takes no output schema",
        "True",
        "[(('model', 'gpt'), 2)]",
    ]


@pytest.mark.parametrize(
    ("retries", "said"), [(2, "{'k': 'hi'} 3"), (1, "failed 2"), (0, "failed 1")]
)
def test_calls_are_tried_again_as_often_as_a_connection_says(
    run_program: RunProgram, retries: int, said: str
) -> None:
    program = f"""
    import sys
    sys.path.insert(0, {str(TESTS)!r})
    from flink_agents.api.agents.agent import Agent
    from flink_agents.api.chat_message import ChatMessage
    from flink_agents.api.decorators import action, chat_model_connection, chat_model_setup
    from flink_agents.api.events.event import InputEvent, OutputEvent
    from flink_agents.api.resource import ResourceDescriptor, ResourceName, ResourceType
    from support.providers.script import Fault, Queue, Reply, rate_limited
    from support.providers.server import fake_providers
    from tamias import run_agent

    class Asks(Agent):
        @chat_model_connection
        @staticmethod
        def there():
            return ResourceDescriptor(
                clazz=ResourceName.ChatModel.OPENAI_COMPLETIONS_CONNECTION,
                api_key="k", api_base_url=fake.openai_url, max_retries={retries})

        @chat_model_setup
        @staticmethod
        def model():
            return ResourceDescriptor(
                clazz=ResourceName.ChatModel.OPENAI_COMPLETIONS_SETUP, connection="there")

        @action(InputEvent.EVENT_TYPE)
        @staticmethod
        def ask(event, ctx):
            model = ctx.get_resource("model", ResourceType.CHAT_MODEL)
            ctx.send_event(OutputEvent(output=model.chat([ChatMessage(content="?")]).content))

    with fake_providers(Queue([Reply("hi")])) as fake:
        fake.faults.extend([rate_limited(), Fault(status=503)])
        try:
            said = run_agent(Asks(), [("k", 1)]).outputs[0]
        except Exception:
            said = "failed"
        print(said, len(fake.asked))
    """
    assert run_program(program).strip() == said

"""The template `chat` of `tamias new`: an agent that answers with a chat model and a tool."""

from __future__ import annotations

from typing import Final

_AGENT: Final = '''"""NAME: answers questions with a chat model, which may ask for a tool."""

import os

from tamias import (
    Prompt,
    ReActAgent,
    ResourceDescriptor,
    chat_model_connection,
    chat_model_setup,
    tool,
)


class PLACEHOLDER(ReActAgent):
    """Gets questions; its outputs are answers."""

    def __init__(self) -> None:
        super().__init__(chat_model="model", prompt=Prompt.from_text("Answer briefly: {input}"))

    @chat_model_connection
    @staticmethod
    def service() -> ResourceDescriptor:
        # The key is in OPENAI_API_KEY; for another service its address in OPENAI_BASE_URL.
        return ResourceDescriptor(clazz="tamias.OpenAIChatModelConnection")

    @chat_model_setup
    @staticmethod
    def model() -> ResourceDescriptor:
        return ResourceDescriptor(
            clazz="tamias.OpenAIChatModelSetup",
            connection="service",
            model=os.environ.get("MODEL", "gpt-4o-mini"),
            tools=["price_of"],
        )

    @tool
    @staticmethod
    def price_of(product: str) -> str:
        """Say what a product costs.

        Args:
            product: its name, in lower case.
        """
        prices = {"lamp": "60.00", "vase": "35.00"}  # replace it with a real source
        return prices.get(product, "there is no such product")
'''

_TEST: Final = '''"""Tests of the agent, inside their own process; the model says what it shall."""

from agent import PLACEHOLDER

from tamias import (
    BaseChatModelConnection,
    ChatMessage,
    MessageRole,
    ResourceDescriptor,
    chat_model_connection,
    run_agent,
)


class Canned(BaseChatModelConnection):
    """Asks for the price of a lamp, and answers with it."""

    def chat(self, messages, tools=None, **kwargs):
        last = messages[-1]
        if last.role is MessageRole.TOOL:
            return ChatMessage(role=MessageRole.ASSISTANT, content=f"It costs {last.content}.")
        function = {"name": "price_of", "arguments": {"product": "lamp"}}
        call = {"id": "1", "type": "function", "function": function}
        return ChatMessage(role=MessageRole.ASSISTANT, tool_calls=[call])


class WithCanned(PLACEHOLDER):
    @chat_model_connection
    @staticmethod
    def service():
        return ResourceDescriptor(clazz=Canned)


def test_the_answer_has_what_the_tool_has_said():
    run = run_agent(WithCanned, [("ada", "What is the price of a lamp?")])
    assert run.outputs == [{"ada": "It costs 60.00."}]


def test_a_product_that_there_is_not():
    assert PLACEHOLDER.price_of("ship") == "there is no such product"
'''

_QUESTIONS: Final = """{"key": "ada", "value": "What is the price of a lamp?"}
{"key": "bob", "value": "Is a vase cheaper than a lamp?"}
"""

_README: Final = """# NAME

An agent for [tamias](https://pypi.org/project/tamias/): it answers with a chat model and a tool.

| file | |
|---|---|
| `agent.py` | the agent |
| `test_agent.py` | its tests, which need no model and start no process |
| `questions.jsonl` | two inputs |
| `deployment.yaml` | how it is run |

```console
$ pip install 'tamias[openai]' pytest
$ pytest                                    # the tests
$ export OPENAI_API_KEY=...                 # or, for a server of your own:
$ export OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=none MODEL=qwen3
$ tamias up deployment.yaml                 # runs it: questions.jsonl -> answers.jsonl
```
"""


def chat_texts(common: dict[str, str]) -> dict[str, str]:
    """Return the files of the project, by name; `common` has those that other templates have."""
    names = {"orders.jsonl": "questions.jsonl", "totals.jsonl": "answers.jsonl"}
    deployment, ignored = common["deployment.yaml"], common[".gitignore"]
    for old, new in names.items():
        deployment, ignored = deployment.replace(old, new), ignored.replace(old, new)
    return {
        "agent.py": _AGENT,
        "test_agent.py": _TEST,
        "questions.jsonl": _QUESTIONS,
        "deployment.yaml": deployment,
        "README.md": _README,
        ".gitignore": ignored,
    }

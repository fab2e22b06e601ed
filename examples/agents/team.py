"""A team: an editor has two researchers work at the same time, and puts together what they find.

A researcher is an agent as a tool of another one. What it asks and looks up is on record like all
else, so a crash repeats nothing of it.
"""

import os

from tamias import ChatMessage as Message
from tamias import MessageRole as Role
from tamias import (
    Prompt,
    ReActAgent,
    ResourceDescriptor,
    ResourceType,
    SubAgent,
    chat_model_connection,
    tool,
)

FACTS = {
    "history": "The tea kettle is from China, and came to Europe with tea.",
    "use": "A kettle boils a litre of water in three minutes.",
}


def model(*tools: str) -> ResourceDescriptor:
    """A chat model that may ask for these tools."""
    return ResourceDescriptor(
        clazz="tamias.OpenAIChatModelSetup",
        connection="service",
        model=os.environ.get("MODEL", "gpt-4o-mini"),
        tools=list(tools),
        max_tokens=200,
        tool_mode=os.environ.get("TOOL_MODE", "native"),
    )


def told(system: str) -> Prompt:
    """A prompt that begins with what the model is."""
    return Prompt.from_messages(
        [Message(role=Role.SYSTEM, content=system), Message(role=Role.USER, content="{input}")]
    )


class Researcher(ReActAgent):
    """Gets a question; answers with facts."""

    def __init__(self) -> None:
        super().__init__(
            chat_model=model("look_up"),
            prompt=told("You are a researcher. Look one thing up, and say what you have found."),
        )

    @tool
    @staticmethod
    def look_up(what: str) -> str:
        """Look something up in the archive.

        Args:
            what: "history" or "use".
        """
        return FACTS.get(what, "nothing is known of it")


class Editor(ReActAgent):
    """Gets a topic; its output is a short text about it."""

    def __init__(self) -> None:
        super().__init__(
            chat_model=model("research"),
            prompt=told(
                "You are an editor. Have the history and the use of the topic researched, at the"
                " same time, and write two sentences with what was found."
            ),
        )
        researcher = SubAgent(
            agent=Researcher, name="research", description="Answers a question about the topic."
        )
        self.add_resource("research", ResourceType.TOOL, researcher)

    @chat_model_connection
    @staticmethod
    def service() -> ResourceDescriptor:
        """The address and the key are in OPENAI_BASE_URL and OPENAI_API_KEY."""
        return ResourceDescriptor(clazz="tamias.OpenAIChatModelConnection")

"""A service desk: the model looks orders up at an MCP server, and asks for refunds.

A refund above 20 needs the approval of a person. Until it comes the run waits in the store,
whatever dies meanwhile; the refund is made once.
"""

import os
import sys
from pathlib import Path
from typing import Any

from tamias import ChatMessage as Message
from tamias import MessageRole as Role
from tamias import (
    Prompt,
    ReActAgent,
    ResourceDescriptor,
    RunnerContext,
    chat_model_connection,
    mcp_server,
    tool,
)

HERE = Path(__file__).resolve().parent


def is_large(arguments: dict[str, Any], ctx: RunnerContext) -> bool:
    """Whether a person has to look at a refund."""
    del ctx
    return bool(arguments["amount"] > 20)


class Desk(ReActAgent):
    """Gets what customers write; answers them."""

    def __init__(self) -> None:
        super().__init__(
            chat_model=ResourceDescriptor(
                clazz="tamias.OpenAIChatModelSetup",
                connection="service",
                model=os.environ.get("MODEL", "gpt-4o-mini"),
                tools=["order_status", "refund"],
                max_tokens=200,
                tool_mode=os.environ.get("TOOL_MODE", "native"),
            ),
            prompt=Prompt.from_messages(
                [
                    Message(
                        role=Role.SYSTEM,
                        content="You are the service desk of a shop. Look the order up, refund what"
                        " came broken, and answer in one sentence.",
                    ),
                    Message(role=Role.USER, content="{input}"),
                ]
            ),
        )

    @chat_model_connection
    @staticmethod
    def service() -> ResourceDescriptor:
        """The address and the key are in OPENAI_BASE_URL and OPENAI_API_KEY."""
        return ResourceDescriptor(clazz="tamias.OpenAIChatModelConnection")

    @mcp_server
    @staticmethod
    def orders() -> ResourceDescriptor:
        """Has the tool order_status."""
        return ResourceDescriptor(
            clazz="tamias.MCPServer",
            command=sys.executable,
            args=[str(HERE / "orders_server.py")],
        )

    @tool(approval=is_large, idempotent=False)
    @staticmethod
    def refund(order: int, amount: float) -> str:
        """Pay a customer back.

        Args:
            order: the number of the order.
            amount: how much.
        """
        return f"{amount:.2f} paid back for order {order}"  # here a real one would pay

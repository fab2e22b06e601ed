"""The models that the examples share: one that answers, and one that makes vectors of texts."""

import os
from typing import Any

from tamias import (
    Agent,
    ResourceDescriptor,
    chat_model_connection,
    embedding_model_connection,
    embedding_model_setup,
)


class WithModels(Agent):
    """An agent with a service for chats, and with embeddings that are made in the process."""

    @chat_model_connection
    @staticmethod
    def service() -> ResourceDescriptor:
        """The address and the key are in OPENAI_BASE_URL and OPENAI_API_KEY."""
        return ResourceDescriptor(clazz="tamias.OpenAIChatModelConnection")

    @embedding_model_connection
    @staticmethod
    def here() -> ResourceDescriptor:
        """Makes vectors in the process; needs `pip install 'tamias[embeddings]'`."""
        return ResourceDescriptor(clazz="tamias.LocalEmbeddingModelConnection")

    @embedding_model_setup
    @staticmethod
    def texts() -> ResourceDescriptor:
        """The model that comes along."""
        return ResourceDescriptor(clazz="tamias.LocalEmbeddingModelSetup", connection="here")


def chat_model(**arguments: Any) -> ResourceDescriptor:
    """A chat model of the service, by the name in MODEL."""
    return ResourceDescriptor(
        clazz="tamias.OpenAIChatModelSetup",
        connection="service",
        model=os.environ.get("MODEL", "gpt-4o-mini"),
        max_tokens=300,
        **arguments,
    )

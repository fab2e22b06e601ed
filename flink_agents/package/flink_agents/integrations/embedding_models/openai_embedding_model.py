"""As `flink_agents.integrations.embedding_models.openai_embedding_model` of Flink Agents."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from pydantic import ConfigDict, Field, PrivateAttr, SecretStr

import tamias

from ..chat_models.chat_model_utils import without_none
from ..chat_models.given_clients import ClosedClient, GivenOpenAI, plain_key

__all__ = [
    "DEFAULT_BASE_URL",
    "DEFAULT_MAX_RETRIES",
    "DEFAULT_REQUEST_TIMEOUT",
    "OpenAIEmbeddingModelConnection",
    "OpenAIEmbeddingModelSetup",
]

DEFAULT_REQUEST_TIMEOUT: Final = 30.0
DEFAULT_BASE_URL: Final = "https://api.openai.com/v1"
DEFAULT_MAX_RETRIES: Final = 3


class OpenAIEmbeddingModelConnection(ClosedClient, tamias.OpenAIEmbeddingModelConnection):
    """The way to OpenAI's embeddings."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    # As in Flink Agents a plain text, which nothing shows by itself.
    api_key: str | SecretStr | None = Field(default=None, repr=False)
    base_url: str | None = DEFAULT_BASE_URL
    organization: str | None = None
    project: str | None = None

    # Where a program of Flink Agents puts a client of its own.
    __client: Any = PrivateAttr(default=None)
    _client_name: ClassVar = "_OpenAIEmbeddingModelConnection__client"
    _double: ClassVar = GivenOpenAI

    def model_post_init(self, context: Any) -> None:
        """Have the account named in each request."""
        super().model_post_init(context)
        names = {"OpenAI-Organization": self.organization, "OpenAI-Project": self.project}
        told = {name: value for name, value in names.items() if value}
        if told:
            self.default_headers = {**told, **(self.default_headers or {})}

    def _new_client(self) -> Any:
        from openai import OpenAI  # noqa: PLC0415 (an extra)

        return OpenAI(
            api_key=plain_key(self.api_key),
            base_url=self.base_url,
            timeout=self.request_timeout,
            organization=self.organization,
            project=self.project,
            max_retries=self.max_retries,
        )


class OpenAIEmbeddingModelSetup(tamias.OpenAIEmbeddingModelSetup):
    """An embedding model of OpenAI."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    user: str | None = None

    def __init__(self, **data: Any) -> None:
        """Take the arguments; those that are None, and may not be, are as if not given."""
        super().__init__(**without_none(data, "additional_kwargs"))

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """The model and its parameters."""
        return {**({"user": self.user} if self.user else {}), **super().model_kwargs}

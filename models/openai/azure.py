"""`AzureOpenAIChatModelConnection` and its setup: OpenAI's models at Azure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from ...agent.errors import AgentDefinitionError
from ...agent.naming.public import public
from .chat_model import ChatCompletions, SamplingSetup
from .models import knows_schemas

if TYPE_CHECKING:
    from .service import Place

__all__ = ["AzureOpenAIChatModelConnection", "AzureOpenAIChatModelSetup"]


@public
class AzureOpenAIChatModelConnection(ChatCompletions):
    """The way to a resource of Azure OpenAI.

    What is not given comes from ``AZURE_OPENAI_API_KEY``, ``AZURE_OPENAI_ENDPOINT`` and
    ``OPENAI_API_VERSION``.
    """

    SERVICE: ClassVar[str] = "Azure OpenAI"
    PROVIDER: ClassVar[str] = "azure"
    KEY_VARIABLE: ClassVar[str] = "AZURE_OPENAI_API_KEY"

    api_version: str | None = Field(default=None, description="As 2024-10-21.")
    azure_endpoint: str | None = Field(
        default=None, description="As https://NAME.openai.azure.com."
    )

    def supports_native_structured_output(self, model: str | None = None) -> bool:
        """All do, unless a deployment has the name of one of the oldest models."""
        return model is None or knows_schemas(model)

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Import the client library, so that workers share it, and check the arguments."""
        super().preload(arguments)
        cls(**arguments)._place()  # noqa: SLF001 (of an instance of this class)

    def _place(self) -> Place:
        url = self.azure_endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT", "")
        version = self.api_version or os.environ.get("OPENAI_API_VERSION", "")
        for value, name, variable in (
            (url, "azure_endpoint", "AZURE_OPENAI_ENDPOINT"),
            (version, "api_version", "OPENAI_API_VERSION"),
        ):
            if not value:
                msg = f"The connection to Azure OpenAI has no {name}."
                raise AgentDefinitionError(msg, hint=f"Give it {name}, or set {variable}.")
        return super()._place()._replace(url=url, api_version=version)


@public
class AzureOpenAIChatModelSetup(SamplingSetup):
    """A chat model at Azure: ``model`` is the name of its deployment.

    ``model_of_azure_deployment`` says which model that is. It decides which parameters are sent.
    """

    model: str = Field(description="Name of the deployment.")
    model_of_azure_deployment: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, gt=0)
    logprobs: bool | None = None

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """The deployment and its parameters."""
        known_as = self.model_of_azure_deployment
        return {
            "model": self.model,
            **({"model_of_azure_deployment": known_as} if known_as else {}),
            **self._sampling(
                known_as or self.model,
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                logprobs=self.logprobs,
            ),
            **self.additional_kwargs,
        }

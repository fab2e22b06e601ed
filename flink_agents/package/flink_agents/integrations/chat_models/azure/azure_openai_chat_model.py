"""As `flink_agents.integrations.chat_models.azure.azure_openai_chat_model` of Flink Agents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ConfigDict

import tamias

from ....api.chat_models.chat_model import BaseChatModelConnection, BaseChatModelSetup
from ..chat_model_utils import without_none
from ..given_clients import schema_of
from ..openai.openai_chat_model import (
    MAX_OPENAI_RETRIES,
    MAX_OPENAI_TIMEOUT_SECONDS,
    OpenAIConnection,
)

__all__ = [
    "MAX_OPENAI_RETRIES",
    "MAX_OPENAI_TIMEOUT_SECONDS",
    "AzureOpenAIChatModelConnection",
    "AzureOpenAIChatModelSetup",
]

_OF_THE_SETUP: Final = frozenset(
    ("logprobs", "max_tokens", "model", "model_of_azure_deployment", "temperature")
)
_WITH_SCHEMAS: Final = re.compile(
    r"gpt-5(?:\.1(?:-chat)?|-mini|-nano)?|gpt-4\.1(?:-mini|-nano)?|gpt-4o-mini"
    r"|o1|o3(?:-mini)?|o4-mini"
)
"""Models of which Azure says that they keep to a JSON schema, whatever version of them it has."""
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FIRST_WITH_SCHEMAS: Final = "2024-08-01"


class ArgumentError(tamias.AgentDefinitionError, ValueError):
    """Arguments of a call do not go together."""


class AzureOpenAIChatModelConnection(
    OpenAIConnection, tamias.AzureOpenAIChatModelConnection, BaseChatModelConnection
):
    """The way to a resource of Azure OpenAI."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    def supports_native_structured_output(self, model: str | None = None) -> bool:
        """The models of which Azure says so, by the name of the model, not of the deployment."""
        return bool(model) and _WITH_SCHEMAS.fullmatch(str(model)) is not None

    def _new_client(self) -> Any:
        from openai import AzureOpenAI  # noqa: PLC0415 (an extra)

        return AzureOpenAI(
            azure_endpoint=self.azure_endpoint or "",
            api_version=self.api_version,
            **self._client_arguments(),
        )

    def _asked(
        self, output_schema: Any, kwargs: dict[str, Any]
    ) -> tuple[str, dict[str, Any] | None, dict[str, Any]]:
        more = kwargs.get("additional_kwargs") or {}
        given = {name: value for name, value in kwargs.items() if name != "additional_kwargs"}
        if not given.get("model"):
            msg = "A call of Azure OpenAI needs model, the name of a deployment."
            raise ArgumentError(msg, hint="Give it to the setup.")
        if twice := sorted(_OF_THE_SETUP & more.keys()):
            msg = f"additional_kwargs have {', '.join(twice)}, which the setup has a field for."
            raise ArgumentError(msg, hint="Give it to the setup itself.")
        given = {**given, **more}
        known_as = str(given.get("model_of_azure_deployment") or "")
        schema = schema_of(output_schema, self, known_as) if self._knows_schemas() else None
        if isinstance(output_schema, Mapping):
            schema = dict(output_schema)
        if schema is not None and "response_format" in given:
            msg = (
                f"The output schema {schema.get('title')} is sent as response_format, and one was"
                " given, too."
            )
            raise ArgumentError(msg, hint="Leave one of them out.")
        return known_as, schema, given

    def _knows_schemas(self) -> bool:
        """Whether the version of Azure's interface does: one that is named by a late date."""
        version = self.api_version or ""
        return _DATE.match(version) is not None and version[:10] >= _FIRST_WITH_SCHEMAS


class AzureOpenAIChatModelSetup(BaseChatModelSetup, tamias.AzureOpenAIChatModelSetup):
    """A chat model at Azure: ``model`` is the name of its deployment."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    def __init__(self, **data: Any) -> None:
        """Take the arguments; those that are None, and may not be, are as if not given."""
        super().__init__(**without_none(data, "additional_kwargs"))

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """The deployment and its parameters; further ones are apart, so that they hide none."""
        more = self.additional_kwargs
        fields = {name: value for name, value in super().model_kwargs.items() if name not in more}
        return {**fields, **({"additional_kwargs": more} if more else {})}

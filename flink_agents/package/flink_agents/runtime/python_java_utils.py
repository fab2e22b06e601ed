"""As `flink_agents.runtime.python_java_utils` of Flink Agents: what its Java side calls in Python.

The functions that need no object of its Java side; tamias's own side of Java has its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import cloudpickle
from docstring_parser import parse

from tamias import InputEvent, MetricGroup, Resource
from tamias.agent.tools.settings import settings_of

from ..api.events.event import Event, OutputEvent
from ..api.function import PythonFunction
from ..api.tools.utils import create_java_tool_schema_str_from_model, create_schema_from_function
from .flink_metric_group import FlinkMetricGroup

__all__ = [
    "call_embedding_with_usage",
    "convert_json_to_python_event",
    "convert_to_python_key_text",
    "convert_to_python_object",
    "get_output_from_output_event",
    "get_python_tool_metadata",
    "invoke_python_tool",
    "set_metric_group",
    "wrap_to_input_event",
]

_PICKLED: Final = "pickled"


def convert_to_python_object(bytesObject: bytes) -> Any:  # noqa: N803 (as in Flink Agents)
    """The object of a pickle."""
    return cloudpickle.loads(bytesObject)


def convert_to_python_key_text(bytes_object: bytes, serialization: str) -> str:
    """A key as a text: of a pickle, that of its object; else, of the bytes themselves."""
    return str(cloudpickle.loads(bytes_object) if serialization == _PICKLED else bytes_object)


def convert_json_to_python_event(event_json: str) -> Event:
    """The event of a JSON document."""
    return Event.from_json(event_json)


def wrap_to_input_event(bytesObject: bytes) -> str:  # noqa: N803 (as in Flink Agents)
    """The input event of a pickled input, as JSON; its id is random."""
    event = InputEvent(input=cloudpickle.loads(bytesObject))
    return str(event.model_copy(update={"id": uuid4()}).model_dump_json())


def get_output_from_output_event(event_json: str) -> Any:
    """The output of an event in JSON."""
    return OutputEvent.from_event(Event.from_json(event_json)).output


def get_python_tool_metadata(
    module: str, qual_name: str, injected_args: list[str] | None = None
) -> dict[str, str]:
    """Return the name, description and schemas of a function, as texts."""
    function = PythonFunction(module=module, qualname=qual_name).as_callable()
    annotated = settings_of(function).injected_args
    hidden = {*(injected_args or ()), *annotated}
    schema = create_schema_from_function(function.__name__, function, injected_args=hidden)
    injected = {name: each.model_dump(mode="json") for name, each in annotated.items()}
    return {
        "name": function.__name__,
        "description": parse(function.__doc__ or "").description or "",
        "inputSchema": create_java_tool_schema_str_from_model(schema),
        "injectedArgs": json.dumps(injected),
    }


def invoke_python_tool(module: str, qual_name: str, kwargs: Mapping[str, Any]) -> Any:
    """Call a function by its name."""
    return PythonFunction(module=module, qualname=qual_name).as_callable()(**kwargs)


def call_embedding_with_usage(model: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The vectors of a text and the tokens that they took, as plain values."""
    found = model.embed_with_usage(**kwargs)
    usage = found.token_usage
    return {
        "embeddings": found.embeddings,
        "token_usage": None
        if usage is None
        else {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.total_tokens},
    }


def set_metric_group(obj: Resource, j_metric_group: Any) -> None:
    """Give a resource a group of metrics of Java."""
    group: MetricGroup | None = None if j_metric_group is None else FlinkMetricGroup(j_metric_group)
    obj.set_metric_group(group)  # type: ignore[arg-type]  # None: it has none any more

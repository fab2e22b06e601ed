"""The settings of calls of tools."""

from __future__ import annotations

from ..naming.public import public
from .option import ConfigOption
from .values import parse_duration

__all__ = ["ToolCallOptions"]


@public
class ToolCallOptions:
    """How tools are called that models ask for."""

    ERROR_STRATEGY = ConfigOption(
        "tool-call.error-strategy",
        str,
        "report",
        choices=("report", "fail"),
        description="What an exception of a tool leads to: the model is told, or the run fails."
        " Arguments that do not fit are told to the model in any case.",
    )
    TIMEOUT = ConfigOption(
        "tool-call.timeout",
        float,
        0.0,
        parse=parse_duration,
        description="The time limit of a call of a tool that has none of its own; 0 for none.",
    )
    APPROVAL_TIMEOUT = ConfigOption(
        "tool-call.approval-timeout",
        float,
        0.0,
        parse=parse_duration,
        description="How long a call waits for its approval, where the tool does not say; 0 for"
        " ever. The model is told then that the call was not approved.",
    )
    MAX_RESULT_LENGTH = ConfigOption(
        "tool-call.max-result-length",
        int,
        100_000,
        minimum=100,
        description="Characters of a tool's result that a model is given, at most; of a longer one"
        " the middle is left out, and a mark says so.",
    )

"""As `flink_agents.api.tools.tool_parameter_injection` of Flink Agents."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tamias import InjectedArg, ToolParameterSource

__all__ = [
    "InjectedArg",
    "ToolParameterSource",
    "merge_injected_args",
    "normalize_injected_args",
    "validate_injected_arg_names",
]


def normalize_injected_args(
    injected_args: Mapping[str, InjectedArg | Mapping[str, Any]] | None,
) -> dict[str, InjectedArg]:
    """Return each as `InjectedArg` with a key.

    Raises:
        TypeError: they are no dict of those.
    """
    if injected_args is None:
        return {}
    if not isinstance(injected_args, Mapping):
        msg = f"'injected_args' must be a dict by parameter, not {injected_args!r}."
        raise TypeError(msg)
    found: dict[str, InjectedArg] = {}
    for name, spec in injected_args.items():
        if not isinstance(spec, (InjectedArg, Mapping)):
            msg = f"Unsupported injected arg spec {spec!r} of {name!r}."
            raise TypeError(msg)
        arg = spec if isinstance(spec, InjectedArg) else InjectedArg.model_validate(spec)
        found[name] = arg.with_default_key(name)
    return found


def merge_injected_args(
    annotated_args: Mapping[str, InjectedArg] | None,
    declared_args: Mapping[str, InjectedArg] | None,
    *,
    tool_name: str,
) -> dict[str, InjectedArg]:
    """Return those of both.

    Raises:
        ValueError: they say different things of one parameter.
    """
    merged = dict(annotated_args or {})
    for name, spec in (declared_args or {}).items():
        if merged.setdefault(name, spec) != spec:
            msg = f"Tool {tool_name!r} has an injected_args conflict: {name!r} is declared twice."
            raise ValueError(msg)
    return merged


def validate_injected_arg_names(
    func: Callable[..., Any], injected_args: Mapping[str, InjectedArg]
) -> None:
    """Make sure that a function has these parameters.

    Raises:
        ValueError: it lacks some.
    """
    if not injected_args:
        return
    parameters = inspect.signature(func).parameters
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return
    unknown = sorted(injected_args.keys() - parameters.keys())
    if unknown:
        msg = (
            f"Injected tool parameter(s) {', '.join(unknown)} do not match function"
            f" {func.__qualname__}{inspect.signature(func)}."
        )
        raise ValueError(msg)

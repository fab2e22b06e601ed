"""As `flink_agents.api.agents.agent` of Flink Agents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import tamias
from tamias import STRUCTURED_OUTPUT
from tamias.flink_agents.dialect import dialect
from tamias.flink_agents.event_form import use_event_form

from ..function import Function, PythonFunction

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["STRUCTURED_OUTPUT", "Agent"]

use_event_form()  # workers import this module with each agent


class Agent(tamias.Agent):
    """As `tamias.Agent`, but all further arguments of `add_action` are settings of the action.

    What an action listens to is checked when the agent is compiled. Since 0.3 functions are kept
    as `PythonFunction`.
    """

    _by_hand = True

    def add_action(  # type: ignore[override]
        self,
        name: str,
        events: Sequence[Any] | None = None,
        func: Callable[..., Any] | Function | None = None,
        *,
        trigger_conditions: Sequence[Any] | None = None,
        **config: Any,
    ) -> Self:
        """Add an action.

        Raises:
            ValueError: there is one of that name.
            TypeError: an argument is missing.
        """
        listens = events if trigger_conditions is None else trigger_conditions
        if listens is None or func is None:
            missing = "func" if func is None else "what it listens to"
            msg = f"The action {name!r} is added without {missing}."
            raise TypeError(msg)
        if name in self.actions:
            msg = f"The action {name!r} has been added before."
            raise tamias.AgentDefinitionError(msg, hint="Give each action a name of its own.")
        if dialect() != "0.2" and not isinstance(func, Function):
            func = PythonFunction.from_callable(func)
        self.actions[name] = (list(listens), func, config or None)
        return self

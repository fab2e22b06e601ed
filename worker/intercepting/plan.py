"""A plan whose actions are called by way of an interceptor."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ...agent.plan import AgentPlan
from .context import intercept

if TYPE_CHECKING:
    from ...agent.action import Action
    from ...agent.context import RunnerContext
    from ...agent.event import Event
    from .interceptor import Interceptor

__all__ = ["intercepted"]


def intercepted(plan: AgentPlan, interceptor: Interceptor) -> AgentPlan:
    """Return the plan with each action in the hands of an interceptor."""
    perform: Any
    actions = {}
    for name, action in plan.actions.items():
        perform = _perform_async if action.is_async else _perform
        actions[name] = replace(action, fn=partial(perform, action, interceptor))
    return AgentPlan(plan.name, actions, plan.providers, plan.config)


def _perform(action: Action, interceptor: Interceptor, event: Event, ctx: RunnerContext) -> Any:
    ctx = intercept(ctx, interceptor)
    with interceptor.around(action, event, ctx):
        return action.fn(event, ctx)


async def _perform_async(
    action: Action, interceptor: Interceptor, event: Event, ctx: RunnerContext
) -> Any:
    ctx = intercept(ctx, interceptor)
    with interceptor.around(action, event, ctx):
        return await action.fn(event, ctx)

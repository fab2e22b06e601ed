"""What the calls of models have taken and used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.tracing.executions import EMBEDDING
from .shapes import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...agent.limits.limited_call import LimitedCall
    from ...agent.limits.prices import Price
    from .measures import Measures

__all__ = ["count_attempt"]


def count_attempt(
    measures: Measures,
    call: LimitedCall,
    route: int,
    result: Any,
    *,
    seconds: float,
    failed: bool,
    prices: Mapping[str, Price],
) -> None:
    """Count an attempt at a call by a route, if it has asked a model.

    Args:
        measures: the worker's.
        call: the call.
        route: its route.
        result: what it has returned; None if it has failed.
        seconds: what it has taken.
        failed: whether it has raised.
        prices: by model.
    """
    model = call.model_name(route, result)
    if not model:
        return
    used = None if failed else call.usage(result)
    price = prices.get(call.routes[route].model)
    operation = "embeddings" if call.entity == EMBEDDING else "chat"
    measures.count_model(
        f"{operation} {model}",
        round(seconds * SECOND),
        tokens=None if used is None else (used.prompt_tokens, used.completion_tokens),
        cost=0 if used is None or price is None else price.cost(used),
        failed=failed,
    )

"""What a model's tokens cost: the table ``prices`` of a configuration."""

from __future__ import annotations

from math import ceil, isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..config.values import to_float
from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..resources.usage import TokenUsage

__all__ = ["NANO", "Price", "prices_of"]

NANO: Final = 1_000_000_000
"""Money is counted in whole billionths, so that sums are exact."""
_PREFIX: Final = "prices."
_NANO_PER_TOKEN: Final = NANO // 1_000_000


class Price(NamedTuple):
    """The price of a model's tokens, in money per million."""

    input: float
    output: float
    cached: float
    """For tokens of the conversation that the service has in its cache."""

    def cost(self, usage: TokenUsage) -> int:
        """The price of one call, in billionths, rounded up."""
        fresh = max(0, usage.prompt_tokens - usage.cached_tokens)
        parts = (
            (fresh, self.input),
            (min(usage.cached_tokens, usage.prompt_tokens), self.cached),
            (usage.completion_tokens, self.output),
        )
        return ceil(sum(tokens * price for tokens, price in parts) * _NANO_PER_TOKEN)

    def most(self, tokens: int) -> int:
        """The highest price of so many tokens, in billionths."""
        return ceil(tokens * max(self.input, self.output) * _NANO_PER_TOKEN)


def prices_of(data: Mapping[str, Any]) -> dict[str, Price]:
    """The prices in a configuration's data, by model.

    Raises:
        ConfigError: a setting is unknown or no price, or a model lacks one.
    """
    given: dict[str, dict[str, float]] = {}
    for key, value in data.items():
        if not key.startswith(_PREFIX):
            continue
        # The names of models have dots, too.
        model, _, name = key[len(_PREFIX) :].rpartition(".")
        if not model or name not in Price._fields:
            raise ConfigError(
                f"There is no setting {key!r}.",
                hint="Write prices: {MODEL: {input: 0.15, output: 0.6, cached: 0.075}}, in money"
                " per million tokens; cached may be missing.",
            )
        given.setdefault(model, {})[name] = _price(key, value)
    return {model: _complete(model, prices) for model, prices in given.items()}


def _price(key: str, value: object) -> float:
    try:
        price = to_float(value)
    except ValueError:
        price = -1.0
    if not price >= 0 or not isfinite(price):
        raise ConfigError(f"The setting {key!r} is {value!r}, wanted: a number from 0 on.")
    return price


def _complete(model: str, prices: dict[str, float]) -> Price:
    missing = [name for name in ("input", "output") if name not in prices]
    if missing:
        raise ConfigError(
            f"The prices of {model!r} lack {' and '.join(missing)}.",
            hint="A budget of money needs the price of a million tokens of both.",
        )
    return Price(prices["input"], prices["output"], prices.get("cached", prices["input"]))

"""The limits of a configuration: its sections ``limits`` and ``prices``, read and checked.

A limit has the name of a connection, or one that durable calls give (``limit="name"``). ``job`` has
budgets for all of them together. What a limit says under ``per-key`` holds for each key alone.
"""

from __future__ import annotations

from difflib import get_close_matches
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..config.values import to_float, to_int
from ..errors import ConfigError
from .prices import NANO, Price, prices_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .limited_call import Route

__all__ = ["JOB", "NO_LIMITS", "Limit", "Limits", "check_names"]

JOB: Final = "job"
"""The name of the limit that counts all calls."""
_SECTION: Final = "limits"
_PRICES: Final = "prices"
_PREFIX: Final = f"{_SECTION}."
_PER_KEY: Final = "per-key"
_CLOSE: Final = 0.8


class Limit(NamedTuple):
    """What is limited under one name; 0 and None for no limit of that kind."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    concurrency: int = 0
    budget_tokens: int | None = None
    budget: int | None = None
    """In billionths."""

    @property
    def is_rate(self) -> bool:
        """Whether it limits anything but use in total."""
        return bool(self.requests_per_minute or self.tokens_per_minute or self.concurrency)

    @property
    def is_budget(self) -> bool:
        """Whether it limits use in total."""
        return self.budget_tokens is not None or self.budget is not None

    def is_used_up(self, tokens: int, money: int) -> bool:
        """Whether so much use reaches a budget."""
        return (self.budget_tokens is not None and tokens >= self.budget_tokens) or (
            self.budget is not None and money >= self.budget
        )

    def describe_budget(self) -> str:
        """The budgets, for an error."""
        parts = []
        if self.budget_tokens is not None:
            parts.append(f"{self.budget_tokens:,} tokens")
        if self.budget is not None:
            parts.append(f"{self.budget / NANO:g} of money")
        return " and ".join(parts)


_NONE: Final = Limit()
_KINDS: Final[dict[str, str]] = {name.replace("_", "-"): name for name in Limit._fields}
_BUDGETS: Final = ("budget-tokens", "budget")


class Limits(NamedTuple):
    """All limits of a configuration."""

    by_name: dict[str, Limit]
    per_key: dict[str, Limit]
    """What holds for each key alone, by the same names."""
    prices: dict[str, Price]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Limits:
        """The limits in a configuration's data.

        Raises:
            ConfigError: a setting is unknown, or its value is none.
        """
        given: dict[tuple[str, bool], dict[str, Any]] = {}
        for key, value in data.items():
            if key in (_SECTION, _PRICES):
                raise ConfigError(
                    f"The setting {key!r} is {value!r}, not a section.",
                    hint="Write limits: {CONNECTION: {requests-per-minute: 600}}, and"
                    " prices: {MODEL: {input: 0.15, output: 0.6}}.",
                )
            if not key.startswith(_PREFIX):
                continue
            name, _, kind = key[len(_PREFIX) :].rpartition(".")
            is_per_key = name.endswith(f".{_PER_KEY}")
            name = name.removesuffix(f".{_PER_KEY}")
            _check_kind(key, name, kind, is_per_key=is_per_key)
            given.setdefault((name, is_per_key), {})[_KINDS[kind]] = _value(key, kind, value)
        by_name = {name: Limit(**kinds) for (name, per_key), kinds in given.items() if not per_key}
        per_key = {name: Limit(**kinds) for (name, per_key), kinds in given.items() if per_key}
        limits = cls(by_name, per_key, prices_of(data))
        if limits.counts_money and not limits.prices:
            raise ConfigError(
                "There is a budget of money, and the configuration has no prices.",
                hint="Add prices: {MODEL: {input: 0.15, output: 0.6}}, in money per million"
                " tokens, for the models that the agent uses.",
            )
        return limits

    def share(self, parts: int) -> Limits:
        """What one of several equal parts may use; what holds for each key stays."""
        if parts == 1:
            return self
        by_name = {name: _divided(limit, parts) for name, limit in self.by_name.items()}
        return Limits(by_name, self.per_key, self.prices)

    def __bool__(self) -> bool:
        return bool(self.by_name or self.per_key)

    @property
    def counts_money(self) -> bool:
        """Whether there is a budget of money."""
        both = (*self.by_name.values(), *self.per_key.values())
        return any(limit.budget is not None for limit in both)

    def limit(self, name: str) -> Limit:
        """The limit of this name, without limits if there is none."""
        return self.by_name.get(name, _NONE)

    def limit_of_key(self, name: str) -> Limit:
        """The limit of each key under this name."""
        return self.per_key.get(name, _NONE)

    def has(self, name: str) -> bool:
        """Whether anything is limited under this name."""
        return name in self.by_name or name in self.per_key

    def is_limited(self, name: str) -> bool:
        """Whether calls under this name need admission."""
        return self.has(name) or self.has(JOB)

    def cost(self, route: Route) -> int:
        """What a call by a route may cost, as estimated, in billionths; 0 if money does not count.

        Raises:
            ConfigError: money counts, and the model has no price.
        """
        if not route.tokens:
            return 0
        price = self.prices.get(route.model)
        if price is not None:
            return price.most(route.tokens)
        for name in (route.limit, JOB):
            for limit in (self.limit(name), self.limit_of_key(name)):
                if limit.budget is not None:
                    if not route.model:
                        raise ConfigError(
                            f"limits.{name}.budget counts money, and a call by the connection"
                            f" {route.limit!r} names no model, so that it has no price.",
                            hint="Set the model in the setup, not in the connection.",
                        )
                    raise ConfigError(
                        f"limits.{name}.budget counts money, and the model {route.model!r} has no"
                        " price.",
                        hint=f"Add prices: {{{route.model}: {{input: 0.15, output: 0.6}}}}, in"
                        " money per million tokens; 0 for a model that costs nothing.",
                    )
        return 0


def _divided(limit: Limit, parts: int) -> Limit:
    return Limit(
        requests_per_minute=_part(limit.requests_per_minute, parts),
        tokens_per_minute=_part(limit.tokens_per_minute, parts),
        concurrency=_part(limit.concurrency, parts),
        budget_tokens=None if limit.budget_tokens is None else limit.budget_tokens // parts,
        budget=None if limit.budget is None else limit.budget // parts,
    )


def _part(limit: int, parts: int) -> int:
    """One of equal parts, of which none is 0: that is no limit."""
    return limit and max(1, limit // parts)


NO_LIMITS: Final = Limits({}, {}, {})


def check_names(limits: Limits, connections: Iterable[str], others: Iterable[str]) -> str:
    """Find a limit whose name is a mistyped one of a connection; describe it, or return "".

    Any other name may be one that a durable call gives. `others` are names of other resources.
    """
    connections, others = list(connections), {*others, JOB}
    for name in sorted({*limits.by_name, *limits.per_key}):
        if name in connections or name in others:
            continue
        close = get_close_matches(name, connections, n=1, cutoff=_CLOSE)
        if close:
            return f"limits.{name} is for no connection of the agent. Did you mean {close[0]!r}?"
    return ""


def _check_kind(key: str, name: str, kind: str, *, is_per_key: bool) -> None:
    known = set(_KINDS)
    if is_per_key:
        known.discard("concurrency")
    if name == JOB:
        known.intersection_update(_BUDGETS)
    if name and kind in known:
        return
    close = get_close_matches(kind.replace("_", "-"), known, n=1, cutoff=_CLOSE)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    place = f"limits.{name or 'NAME'}{f'.{_PER_KEY}' if is_per_key else ''}"
    raise ConfigError(
        f"There is no setting {key!r}.{meant}",
        hint=f"{place} has {', '.join(sorted(known))}"
        f"{'' if is_per_key else f', and the same under {_PER_KEY}'}.",
    )


def _value(key: str, kind: str, value: object) -> int:
    """The value as it is counted.

    Raises:
        ConfigError: it is none.
    """
    wanted = "a number from 0 on" if kind == "budget" else "a whole number from 1 on"
    try:
        if kind == "budget":
            money = to_float(value)
            if money >= 0 and isfinite(money):
                return round(money * NANO)
        else:
            number = to_int(value)
            if number >= (0 if kind in _BUDGETS else 1):
                return number
    except (ValueError, OverflowError):
        pass
    raise ConfigError(f"The setting {key!r} is {value!r}, wanted: {wanted}.")

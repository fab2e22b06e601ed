"""Admission of a worker's calls by limits: which route an attempt takes, and when.

A call without a limit, and without a choice of routes, needs no admission, and costs nothing here.
Any other one asks the launcher before each attempt (`requests`). The run waits meanwhile: here, or
suspended if that takes long. Budgets per key are decided here, because the key is of this worker.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import ConfigError
from ...agent.limits.settings import JOB
from ...store import clock
from .requests import PermitRequests
from .usage import Usage

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from ...agent.limits.limited_call import Route
    from ...agent.limits.settings import Limits
    from .requests import PermitRequest

__all__ = ["Admission"]

_MOST_REMEMBERED: Final = 100_000
_DIGEST_BYTES: Final = 8
_PURGE_SECONDS: Final = 2.0


class Admission:
    """The limits of a worker's calls.

    Attributes:
        limits: as configured.
        requests: what the launcher is asked for.
        usage: what calls have used.
    """

    def __init__(
        self, limits: Limits, send: Callable[[bytes], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.limits = limits
        self.requests = PermitRequests(send, loop)
        self.usage = Usage()
        self._since: dict[Any, float] = {}
        """When calls of runs that wait elsewhere were first asked for."""
        self._purges = False
        self._kept: dict[Any, PermitRequest] = {}
        """Requests of plain actions, which are executed again to use them."""

    def is_needed(self, routes: tuple[Route, ...]) -> bool:
        """Whether a call with these routes needs admission."""
        if len(routes) > 1 or not routes or not self.limits:
            return len(routes) > 1
        return self.limits.is_limited(routes[0].limit)

    def key_name(self, names: Iterable[str], key: bytes) -> str:
        """The name of a key in requests, if one of the limits has a rate for keys; else empty."""
        if not any(self.limits.limit_of_key(name).is_rate for name in names):
            return ""
        return blake2b(key, digest_size=_DIGEST_BYTES).hexdigest()

    def check_name(self, name: str) -> None:
        """Refuse the name that a durable call gives if the configuration has others only.

        Raises:
            ConfigError: it does not have that one.
        """
        if self.limits and not self.limits.has(name):
            known = ", ".join(sorted({*self.limits.by_name, *self.limits.per_key} - {JOB}))
            raise ConfigError(
                f"A durable call has the limit {name!r}, and there is no limits.{name} in the"
                " configuration.",
                hint=f"It has limits for {known or 'nothing but the job'}.",
            )

    # -- calls that wait elsewhere ------------------------------------------------------------

    def remember(self, call: Any, since: float) -> None:
        """Keep a call's place in the queue while its run is suspended."""
        if len(self._since) < _MOST_REMEMBERED:
            self._since[call] = since

    def since(self, call: Any) -> float:
        """When a call was first asked for; now if it was not."""
        return self._since.pop(call, None) or clock.steady()

    def keep(self, call: Any, request: PermitRequest) -> None:
        """Keep a request for the next execution of its action."""
        self._kept[call] = request
        self._purge_later()

    def kept(self, call: Any) -> PermitRequest | None:
        """The request that an earlier execution has left; None for none."""
        return self._kept.pop(call, None)

    def _purge_later(self) -> None:
        if self._kept and not self._purges:
            self._purges = True
            self.requests.loop.call_later(_PURGE_SECONDS, self._purge)

    def _purge(self) -> None:
        """Return the permits that no execution came for."""
        self._purges = False
        for call, request in list(self._kept.items()):
            if request.permit is not None and not request.permit.is_valid:
                del self._kept[call]
                self.requests.end(request, "unused")
        self._purge_later()

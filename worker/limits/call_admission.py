"""The admission of one durable call: its attempts by one route after another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ...agent.limits.settings import JOB
from ...agent.resources.model_errors import BudgetExceeded, Overloaded, RateLimited
from ...agent.waiting.temporary import Kind, kind_of, said_wait, status_of
from ...store import clock
from ...store.records.usage import NO_USE, Use
from ..waiting.waits import SuspendRun
from .requests import PermitExpiredError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...agent.limits.limited_call import Route
    from ...agent.resources.usage import TokenUsage
    from ..runs.run import Run
    from ..waiting.waits import Waits
    from .admission import Admission
    from .requests import PermitRequest
    from .usage import KeyUsage

__all__ = ["CallAdmission"]

_REPLY_SECONDS: Final = 0.05
"""For so long a plain action stands still for a reply of the launcher."""
_POLL_SECONDS: Final = 0.05
"""Between two executions of a plain action that waits for a permit."""
_SHORT_WAIT: Final = 1.0
_TOO_MANY: Final = 429
_OVERLOADED: Final = frozenset({503, 529})


class CallAdmission:
    """The admission of one durable call.

    `enter` (or `enter_now`) before each attempt, `goes_on` after it, `leave` in the end. All but
    `enter_now`, `route` and `leave` are used on the loop's thread.
    """

    def __init__(
        self,
        admission: Admission,
        run: Run,
        routes: tuple[Route, ...],
        identity: Any,
        usage: Callable[[Any], TokenUsage | None],
    ) -> None:
        """`usage` returns what a call with a result has used; `identity` recognises the call."""
        self._admission = admission
        self._run = run
        self._routes = routes
        self._usage = usage
        self._call = run.lane.key_bytes, identity
        self._left = list(range(len(routes)))
        self._costs = [admission.limits.cost(route) for route in routes]
        self._since: float | None = None
        self._request: PermitRequest | None = None
        self._keys: list[tuple[str, KeyUsage, Use]] = []
        self._refusal: BudgetExceeded | None = None
        self._uncounted: tuple[int, Use] | None = None

    def route(self) -> int:
        """The route of the attempt that is made.

        Raises:
            BudgetExceeded: it must not be made.
            PermitExpiredError: it comes too late, after it has waited for a thread.
        """
        if self._refusal is not None:
            raise self._refusal
        assert self._request is not None  # noqa: S101 (see `enter`)
        assert self._request.permit is not None  # noqa: S101
        if not self._request.permit.is_valid:
            raise PermitExpiredError
        return self._request.permit.route

    # -- before an attempt --------------------------------------------------------------------

    async def enter(self, waits: Waits) -> None:
        """Wait until an attempt may be made, or must not be made at all."""
        while not await self._reserve():
            request = self._ask()
            await request.answered
            while not request.final.done() and request.is_queued:
                await waits.until(self._run, request.moment, request.final)
                request.expect_later()
            if not request.final.done():
                moment = request.moment
                self._withdraw()
                await waits.until(self._run, moment)
            elif self._is_decided(request):
                return

    def enter_now(self, waits: Waits) -> None:
        """As `enter`, for a plain action.

        Raises:
            SuspendRun: the action is to be executed again, later.
        """
        requests = self._admission.requests
        if not requests.is_own_thread:
            asyncio.run_coroutine_threadsafe(self._enter_for_thread(waits), requests.loop).result()
            return
        refused = self._reserved_now()
        if refused is None:
            raise SuspendRun(clock.now() + _POLL_SECONDS)
        if refused:
            return
        self._withdraw()
        while True:
            request = self._request = self._admission.kept(self._call)
            if request is None:
                request = self._ask()
                requests.flush()
                requests.receive_now(request.answered.done, _REPLY_SECONDS)
            if not request.final.done():
                self._suspend(request, waits.suspend_after)
            if self._is_decided(request):
                return

    def _suspend(self, request: PermitRequest, suspend_after: float) -> None:
        """Have the action executed again when a permit is expected.

        Raises:
            SuspendRun: always.
        """
        moment = max(request.moment, clock.now() + _POLL_SECONDS)
        if request.is_queued and moment - clock.now() <= max(suspend_after, _SHORT_WAIT):
            self._admission.keep(self._call, request)
            self._request = None
            moment = clock.now() + _POLL_SECONDS
        raise SuspendRun(moment)

    async def _enter_for_thread(self, waits: Waits) -> None:
        """As `enter`, while a thread waits, so that its run cannot be suspended."""
        if await self._reserve():
            return
        while True:
            request = self._ask()
            await request.answered
            if not request.final.done():
                wait = request.moment - clock.now()
                if wait > waits.suspend_after or not request.is_queued:
                    raise SuspendRun(clock.now() + wait)
                await request.final
            if self._is_decided(request):
                return

    def _ask(self) -> PermitRequest:
        self._withdraw()
        if self._since is None:
            self._since = self._admission.since(self._call)
        lane = self._run.lane
        admission = self._admission
        routes = [
            (index, self._routes[index].limit, self._routes[index].tokens, self._costs[index])
            for index in self._left
        ]
        key = admission.key_name((route[1] for route in routes), lane.key_bytes)
        self._request = admission.requests.ask(lane.writer.number, routes, key, self._since)
        return self._request

    def _is_decided(self, request: PermitRequest) -> bool:
        """Whether a request has ended in a permit that may still be used, or in a refusal."""
        if request.permit is None:
            self._refuse(request.refusal, "")
            return True
        if request.permit.is_valid:
            return True
        self._withdraw()
        return False

    def _withdraw(self, outcome: str = "unused") -> None:
        request, self._request = self._request, None
        if request is not None:
            self._admission.requests.end(request, outcome)

    # -- budgets per key ----------------------------------------------------------------------

    async def _reserve(self) -> bool:
        """Reserve what the call may use of its key's budgets; returns whether it must not."""
        while (refused := self._reserved_now()) is None:
            usages = self._key_usages(self._left)
            for known in usages.values():
                known.changed.clear()
            changes = [asyncio.ensure_future(known.changed.wait()) for known in usages.values()]
            try:
                await asyncio.wait(changes, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for change in changes:
                    change.cancel()
        return refused

    def _key_usages(self, routes: Iterable[int]) -> dict[str, KeyUsage]:
        """What the call's key has used, for each limit that has a budget of keys."""
        limits, lane = self._admission.limits, self._run.lane
        names = dict.fromkeys((*(self._routes[route].limit for route in routes), JOB))
        return {
            name: self._admission.usage.key_usage(lane.writer, name, lane.key_bytes)
            for name in names
            if limits.limit_of_key(name).is_budget
        }

    def _reserved_now(self) -> bool | None:
        """As `_reserve`; None if that is known when another call of the key has ended."""
        self._release_keys()
        limits = self._admission.limits
        usages = self._key_usages(self._left)
        used_up = [
            name
            for name, known in usages.items()
            if limits.limit_of_key(name).is_used_up(*known.used)
        ]
        left = [route for route in self._left if self._routes[route].limit not in used_up]
        if JOB in used_up or not left:
            self._refuse(JOB if JOB in used_up else used_up[0], ".per-key")
            self._drop_idle(usages)
            return True
        self._left = left
        if any(
            limits.limit_of_key(name).is_used_up(*known.expected) for name, known in usages.items()
        ):
            return None
        expected = [self._admission.usage.expected(self._routes[route].limit) for route in left]
        use = Use(
            max(1, *(self._routes[route].tokens for route in left), *(e.tokens for e in expected)),
            max(1, *(self._costs[route] for route in left), *(e.money for e in expected)),
        )
        for name, known in usages.items():
            known.reserved += use
            known.calls += 1
            self._keys.append((name, known, use))
        return False

    def _drop_idle(self, names: Iterable[str]) -> None:
        lane = self._run.lane
        for name in names:
            self._admission.usage.drop_idle(lane.writer, name, lane.key_bytes)

    def _release_keys(self) -> None:
        for _, known, use in self._keys:
            known.reserved += (-use.tokens, -use.money)
            known.calls -= 1
            known.changed.set()
        self._drop_idle(name for name, _, _ in self._keys)
        self._keys.clear()

    def _refuse(self, name: str, part: str) -> None:
        limits = self._admission.limits
        limit = limits.limit_of_key(name) if part else limits.limit(name)
        of_key = f" of key {self._run.lane.key!r}" if part else ""
        self._refusal = BudgetExceeded(
            f"The budget{of_key} in limits.{name}{part} ({limit.describe_budget()}) is used up:"
            " the call was not made.",
            hint="Raise it in the configuration, and retry the dead letters; `tamias limits` shows"
            " what was used.",
        )

    # -- after an attempt ---------------------------------------------------------------------

    def goes_on(self, cause: Exception | None) -> bool:
        """Whether the call goes over to its next route, because this one fails for now."""
        request = self._request
        if cause is None or request is None or request.permit is None or self._refusal is not None:
            return False
        route = request.permit.route
        self._end(cause)
        self._left.remove(route)
        if self._left and kind_of(cause) is Kind.TEMPORARY:
            return True
        self._left = list(range(len(self._routes)))
        return False

    def _end(self, cause: Exception | None, use: Use = NO_USE) -> None:
        """Report how an attempt has ended."""
        request, self._request = self._request, None
        if request is None:
            return
        outcome, retry_after = "done", None
        if cause is not None:
            outcome, retry_after = _outcome(cause)
        self._admission.requests.end(request, outcome, use, retry_after)

    def count(self, result: Any, cause: Exception | None) -> None:
        """Count what the call has used, with the commit of its record."""
        request = self._request
        if cause is not None or request is None or request.permit is None:
            return
        route = self._routes[request.permit.route]
        used = self._usage(result)
        tokens, money = route.tokens, self._costs[request.permit.route]
        if used is not None:
            tokens = used.total
            price = self._admission.limits.prices.get(route.model)
            money = 0 if price is None else price.cost(used)
        admission, lane = self._admission, self._run.lane
        names = dict.fromkeys((route.limit, JOB))
        keyed = {name for name in names if admission.limits.limit_of_key(name).is_budget}
        use = Use(tokens, money)
        if admission.limits and (tokens or money):
            admission.usage.add(lane.writer, names, lane.key_bytes, keyed, use)
            self._uncounted = lane.writer.number, use

    def leave(self) -> None:
        """End the admission: the call has its record, or its execution is given up."""
        requests = self._admission.requests
        if requests.is_own_thread:
            self._leave()
        else:
            requests.loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        request = self._request
        if self._uncounted is not None:
            shard, use = self._uncounted
            self._uncounted = None
            self._admission.requests.report_usage(shard, self._admission.usage.totals(shard))
            self._end(None, use)
        elif request is not None and request.permit is None:
            if self._since is not None and self._refusal is None:
                self._admission.remember(self._call, self._since)
            self._withdraw("suspended")
        else:
            self._end_unknown()
        self._release_keys()

    def _end_unknown(self) -> None:
        """Report an attempt of which it is not known what it has used, or which was cut off."""
        request, self._request = self._request, None
        if request is not None:
            assert request.permit is not None  # noqa: S101 (see `_leave`)
            tokens = self._routes[request.permit.route].tokens
            self._admission.requests.end(request, "done", Use(tokens, 0))


def _outcome(cause: Exception) -> tuple[str, float | None]:
    """How an attempt has failed, for the breaker, and when the service wants another one."""
    said = said_wait(cause, clock.now())
    status = status_of(cause)
    if isinstance(cause, RateLimited) or status == _TOO_MANY:
        return "limited", said
    if isinstance(cause, Overloaded) or status in _OVERLOADED:
        return "overloaded", said
    if kind_of(cause) is Kind.TEMPORARY:
        return "unavailable", said
    return "failed", None

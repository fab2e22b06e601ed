"""The context of an intercepted action: each durable call and wait goes by the interceptor."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from ...agent.event import is_output
from ...store import clock
from ...store.records.offsets import offset_of
from ..durable.fingerprint import function_name
from ..engine.context import WorkerContext
from ..waiting.waits import SuspendRun
from .interceptor import Attempt, MadeCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...agent.context import RunnerContext
    from ...agent.event import Event
    from ...agent.waiting.moments import Duration
    from ..durable.call_options import CallOptions
    from ..engine.durable_call import DurableCall
    from ..engine.services import Services
    from ..runs.run import Run
    from .interceptor import Interceptor

__all__ = ["abandon", "action_in", "described", "intercept", "offset_in"]

_OPTIONS: Final = ("retry", "timeout", "reconciler", "limit")
_making: ContextVar[MadeCall | None] = ContextVar("tamias-intercepted-call", default=None)


def intercept(ctx: RunnerContext, interceptor: Interceptor) -> RunnerContext:
    """A context in place of another, whose calls go by an interceptor."""
    if not isinstance(ctx, WorkerContext):
        return ctx
    return InterceptedContext(ctx._engine, ctx.run, interceptor)  # noqa: SLF001 (as below)


def abandon(ctx: RunnerContext) -> None:
    """Have nothing committed any more of what the worker of a context does."""
    if isinstance(ctx, WorkerContext):
        ctx._engine.recorder.abandon()  # noqa: SLF001 (it is made for what derives from it)


def offset_in(ctx: RunnerContext) -> int:
    """The offset of the input whose run a context is of; of a timer, its run's number."""
    return offset_of(ctx.run.offset) if isinstance(ctx, WorkerContext) else -1


def action_in(ctx: RunnerContext) -> str:
    """The name of the action that a context belongs to."""
    action = ctx.run.action if isinstance(ctx, WorkerContext) else None
    return "" if action is None else action.name


def described(ctx: RunnerContext) -> str:
    """What the run of a context is of: `input 3`."""
    return ctx.run.describe() if isinstance(ctx, WorkerContext) else ""


class InterceptedContext(WorkerContext):
    """The class of the context of an intercepted action."""

    def __init__(self, engine: Services, run: Run, interceptor: Interceptor) -> None:
        super().__init__(engine, run)
        self.interceptor = interceptor

    def send_event(self, event: Event) -> None:
        """As `RunnerContext.send_event`."""
        super().send_event(event)
        if not is_output(event):
            self.interceptor.event_sent(self, event)

    def durable_execute(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """As `RunnerContext.durable_execute`."""
        made = self._made(func, args, kwargs)
        token = _making.set(made)
        try:
            made.result = super().durable_execute(func, *args, **kwargs)
        except BaseException as error:
            made.error = error
            raise
        finally:
            _making.reset(token)
            self._ended_call(made)
        return made.result

    async def durable_execute_async(
        self, func: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """As `RunnerContext.durable_execute_async`."""
        made = self._made(func, args, kwargs)
        token = _making.set(made)
        try:
            made.result = await super().durable_execute_async(func, *args, **kwargs)
        except BaseException as error:
            made.error = error
            raise
        finally:
            _making.reset(token)
            self._ended_call(made)
        return made.result

    def _made(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> MadeCall:
        plain = {name: value for name, value in kwargs.items() if name not in _OPTIONS}
        return MadeCall(
            function_name(func), args, plain, offset_in(self), self.key, action_in(self)
        )

    def _ended_call(self, made: MadeCall) -> None:
        if not isinstance(made.error, SuspendRun):
            self.interceptor.call_ended(self, made)

    def _attempt(self, call: DurableCall, options: CallOptions) -> Any:
        self._prepare(call)
        return super()._attempt(call, options)

    async def _attempt_async(self, call: DurableCall, options: CallOptions) -> Any:
        self._prepare(call)
        return await super()._attempt_async(call, options)

    def _prepare(self, call: DurableCall) -> None:
        made = _making.get()
        args, kwargs = call.arguments
        if made is not None:
            made.is_replayed = False
        attempt = Attempt(call.name, args, kwargs, call.work)
        self.interceptor.attempt(attempt)
        call.work = attempt.work

    # -- waits --------------------------------------------------------------------------------

    async def _wait_until(self, moment: float) -> None:
        seconds = moment - clock.now()
        if self.interceptor.skips_waits and seconds > 0:
            self.interceptor.wait_skipped(seconds)
            return
        await super()._wait_until(moment)

    async def wait_for(
        self,
        name: str,
        timeout: Duration | None = None,
        ask: Any = None,
        *,
        id: str | None = None,
    ) -> Any:
        """As `RunnerContext.wait_for`."""
        if not any(record.name == "ctx.wait_for" for record in self._unclaimed()):
            answer = self.interceptor.question(name, ask)
            if answer is not None:
                return answer[0]
        return await super().wait_for(name, timeout, ask, id=id)

    def _unclaimed(self) -> Iterator[Any]:
        return self.run.call_log().unclaimed()

"""Shows a running deployment: a live table on a terminal, else lines; JSON for scripts.

All of them are listeners of the supervisor, which calls them in its loop.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rich.live import Live
from rich.text import Text

from ...deployment.supervisor import DeploymentListener
from ..errors import print_error
from ..text import count, duration, error_console, rate, shown, write_line
from .estimate import Estimate
from .fitting import Column, FittingTable
from .progress import LINE_SECONDS, progress
from .summary import all_failed, figures, remarks

if TYPE_CHECKING:
    from typing_extensions import Self

    from ...deployment.spec import Deployment
    from ...launcher.jobs.report import Report
    from ...launcher.pool.status import PoolStatus

SERVICE_LINE_SECONDS: Final = 60.0
"""The time between two lines about a service, whose log may become long."""
JSON_SECONDS: Final = 1.0

_COLOURS: Final = {
    "running": "green",
    "done": "green",
    "stopped": "green",
    "interrupted": "yellow",
    "draining": "yellow",
    "restarting": "red",
    "failed": "bold red",
}


@dataclass(slots=True)
class AgentView:
    """The state of an agent, as it is shown."""

    name: str
    state: str = "waiting"
    """As it is shown: "preparing", a phase of its pool, "restarting", or how it has ended."""
    status: PoolStatus | None = None
    estimate: Estimate = field(default_factory=Estimate)
    pid: int | None = None
    restarts: int = 0
    report: Report | None = None
    error: dict[str, Any] | None = None
    printed: tuple[Any, ...] = ()
    printed_at: float = float("-inf")


class Views(DeploymentListener):
    """Keeps the state of all agents, and prints only errors: the base of the other views.

    Attributes:
        agents: by name, in the file's order.
        console: for messages, stderr.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.console = error_console()
        self.agents = {member.name: AgentView(member.name) for member in deployment.members}
        self._stopping = False
        self._services = {member.name for member in deployment.members if member.is_service}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """As `__enter__`; nothing has to be cleaned up."""

    def started(self, name: str, pid: int, *, again: bool) -> None:
        """As `DeploymentListener.started`."""
        del again
        agent = self.agents[name]
        agent.state, agent.pid = "preparing", pid
        agent.estimate = Estimate()

    def status(self, name: str, status: PoolStatus) -> None:
        """As `DeploymentListener.status`."""
        agent = self.agents[name]
        if agent.state == "preparing":
            agent.printed_at = time.monotonic()
        agent.state, agent.status = status.phase, status
        agent.estimate.update(status)

    def died(self, name: str, how: str, log_tail: str, pause: float | None) -> None:
        """As `DeploymentListener.died`."""
        del how, log_tail
        agent = self.agents[name]
        agent.pid = None
        if pause is not None:
            agent.state = "restarting"
            agent.restarts += 1
        else:
            agent.state = "interrupted" if self._stopping else "failed"

    def ended(self, name: str, report: Report, code: int) -> None:
        """As `DeploymentListener.ended`."""
        del code
        agent = self.agents[name]
        agent.pid, agent.report = None, report
        agent.state = self._outcome(name, report)

    def failed(self, name: str, error: dict[str, Any], code: int) -> None:
        """As `DeploymentListener.failed`."""
        del code
        agent = self.agents[name]
        agent.pid, agent.error, agent.state = None, error, "failed"
        print_error(f"{name}: {error['message']}", error["hint"], error["traceback"], self.console)

    def interrupted(self, name: str) -> None:
        """As `DeploymentListener.interrupted`."""
        agent = self.agents[name]
        agent.pid, agent.state = None, "interrupted"

    def stopping(self, times: int) -> None:
        """As `DeploymentListener.stopping`."""
        del times
        self._stopping = True
        for agent in self.agents.values():
            if agent.state == "restarting":
                agent.state = "interrupted"

    def metrics_served(self, url: str) -> None:
        """Show where the metrics of all agents are served."""

    def _outcome(self, name: str, report: Report) -> str:
        if report.finished:
            return "done"
        return "stopped" if name in self._services else "interrupted"


class LineViews(Views):
    """Prints lines with the time: each event at once, and the progress now and then."""

    def print_line(self, text: str) -> None:
        """Print a line with the time of day."""
        self.console.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False)

    def started(self, name: str, pid: int, *, again: bool) -> None:
        """As `DeploymentListener.started`."""
        super().started(name, pid, again=again)
        self.print_line(f"{name}: started{' again' if again else ''} (pid {pid})")

    def logged(self, name: str, text: str) -> None:
        """As `DeploymentListener.logged`."""
        self.print_line(f"{name}: {text}")

    def ready(self, name: str, where: dict[str, Any]) -> None:
        """As `DeploymentListener.ready`."""
        also = f", and at {where['listen']}" if where["listen"] else ""
        self.print_line(f"{name}: ready for clients{also}")

    def died(self, name: str, how: str, log_tail: str, pause: float | None) -> None:
        """As `DeploymentListener.died`."""
        super().died(name, how, log_tail, pause)
        if pause is None:
            what = "it is not started again"
        elif pause < 0.05:
            what = "it is started again"
        else:
            what = f"it is started again in {duration(pause)}"
        words = f"; the last that it printed:\n{log_tail}" if log_tail else ""
        self.print_line(f"{name}: {how}; {what}{words}")

    def ended(self, name: str, report: Report, code: int) -> None:
        """As `DeploymentListener.ended`."""
        super().ended(name, report, code)
        word = "failed" if all_failed(report) else self.agents[name].state
        self.print_line(f"{name}: {word}{figures(report)}")
        for text in remarks(report):
            self.print_line(f"{name}: {text}")

    def interrupted(self, name: str) -> None:
        """As `DeploymentListener.interrupted`."""
        super().interrupted(name)
        self.print_line(f"{name}: interrupted before it began")

    def stopping(self, times: int) -> None:
        """As `DeploymentListener.stopping`."""
        super().stopping(times)
        running = sum(agent.pid is not None for agent in self.agents.values())
        if times == 1:
            what = f"stopping {count(running, 'agent')} after what is in flight"
            self.print_line(f"{what}; interrupt again to stop at once")
        else:
            self.print_line("stopping at once" if times == 2 else "killing what is left")

    def metrics_served(self, url: str) -> None:
        """As `Views.metrics_served`."""
        self.print_line(f"metrics at {url}")

    def refresh(self) -> None:
        """As `DeploymentListener.refresh`."""
        now = time.monotonic()
        for agent in self.agents.values():
            status = agent.status
            if status is None or agent.state != "running":
                continue
            pause = SERVICE_LINE_SECONDS if agent.name in self._services else LINE_SECONDS
            if now >= agent.printed_at + pause:
                agent.printed_at = now
                if agent.name not in self._services or agent.printed != (status.events,):
                    agent.printed = (status.events,)
                    self.print_line(f"{agent.name}: {progress(status, agent.estimate)}")


class TableViews(LineViews):
    """A table that is redrawn all the time, below the lines of events."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)
        self._live = Live(console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        self.console.show_cursor()  # or it would stay hidden if this process is killed
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def refresh(self) -> None:
        """As `DeploymentListener.refresh`."""
        max_lines = self.console.size.height - 2
        self._live.update(table(list(self.agents.values()), max_lines), refresh=True)


class JsonViews(Views):
    """Prints events as JSON lines on stdout."""

    def print_event(self, event: str, **more: Any) -> None:
        """Print one event."""
        write_line(json.dumps({"event": event, **more}))
        sys.stdout.flush()

    def started(self, name: str, pid: int, *, again: bool) -> None:
        """As `DeploymentListener.started`."""
        super().started(name, pid, again=again)
        self.print_event("started", agent=name, pid=pid, again=again)

    def logged(self, name: str, text: str) -> None:
        """As `DeploymentListener.logged`."""
        self.print_event("log", agent=name, text=text)

    def ready(self, name: str, where: dict[str, Any]) -> None:
        """As `DeploymentListener.ready`."""
        self.print_event("ready", agent=name, **where)

    def died(self, name: str, how: str, log_tail: str, pause: float | None) -> None:
        """As `DeploymentListener.died`."""
        super().died(name, how, log_tail, pause)
        self.print_event("died", agent=name, how=how, printed=log_tail, again_in=pause)

    def ended(self, name: str, report: Report, code: int) -> None:
        """As `DeploymentListener.ended`."""
        super().ended(name, report, code)
        self.print_event("ended", agent=name, **asdict(report), exit_code=code)

    def interrupted(self, name: str) -> None:
        """As `DeploymentListener.interrupted`."""
        super().interrupted(name)
        self.print_event("interrupted", agent=name)

    def failed(self, name: str, error: dict[str, Any], code: int) -> None:
        """As `DeploymentListener.failed`."""
        super().failed(name, error, code)
        self.print_event("failed", agent=name, error=error, exit_code=code)

    def stopping(self, times: int) -> None:
        """As `DeploymentListener.stopping`."""
        super().stopping(times)
        self.print_event("stopping", times=times)

    def metrics_served(self, url: str) -> None:
        """As `Views.metrics_served`."""
        self.print_event("metrics", url=url)

    def refresh(self) -> None:
        """As `DeploymentListener.refresh`."""
        now = time.monotonic()
        for agent in self.agents.values():
            status = agent.status
            if (
                status is None
                or agent.state != status.phase
                or now < agent.printed_at + JSON_SECONDS
            ):
                continue
            ready = sum(worker.state == "ready" for worker in status.workers)
            figures = {
                name: getattr(status, name)
                for name in (
                    "phase",
                    "events",
                    "outputs",
                    "retries",
                    "requeued",
                    "deaths",
                    "dead_letters",
                )
            }
            fields = (*figures.values(), ready)
            if fields != agent.printed:
                agent.printed, agent.printed_at = fields, now
                self.print_event(
                    "status",
                    agent=agent.name,
                    **figures,
                    rate=status.rate,
                    done=agent.estimate.done,
                    ready=ready,
                    workers=len(status.workers),
                    restarts=agent.restarts,
                )


def views(deployment: Deployment, *, as_json: bool, quiet: bool) -> Views:
    """Return the view for a script, or the one that suits stderr."""
    if as_json:
        return JsonViews(deployment)
    if quiet:
        return Views(deployment)
    console = error_console()
    on_terminal = console.is_terminal and not console.is_dumb_terminal
    return TableViews(deployment) if on_terminal else LineViews(deployment)


def table(agents: list[AgentView], max_lines: int) -> FittingTable:
    """Return the state of all agents, one per line, in at most `max_lines` lines."""
    table = FittingTable(
        [
            Column("agent"),
            Column("state      "),
            Column("inputs", is_number=True),
            Column("done", is_number=True, rank=2),
            Column("rate", is_number=True, rank=4),
            Column("left", is_number=True, rank=3),
            Column("workers", is_number=True, rank=5),
            Column("retries", is_number=True, rank=7),
            Column("deaths", is_number=True, rank=6),
            Column("dead", is_number=True, rank=1),
            Column("starts", is_number=True, rank=8),
        ]
    )
    max_rows = max(1, max_lines - 2)
    for agent in agents[:max_rows]:
        table.add_row(agent.name, _state(agent), *_progress(agent), str(agent.restarts + 1))
    if len(agents) > max_rows:
        table.add_row("...", f"{len(agents) - max_rows} more")
    return table


def _progress(agent: AgentView) -> list[str]:
    status, estimate = agent.status, agent.estimate
    if status is None:
        return [""] * 8
    now = [""] * 4
    if agent.pid is not None and agent.state != "preparing":
        left, ready = estimate.seconds_left, sum(w.state == "ready" for w in status.workers)
        now = [
            "" if estimate.done is None else f"{estimate.done:.0%}",
            rate(status.rate),
            "" if left is None else duration(left),
            f"{ready}/{len(status.workers)}",
        ]
    counts = (status.retries, status.deaths, status.dead_letters)
    return [f"{status.events:,}", *now, *(f"{number:,}" for number in counts)]


def results(deployment: Deployment, views: Views) -> FittingTable:
    """Return the results of all agents."""
    table = FittingTable(
        [
            Column("agent"),
            Column("result     "),
            Column("inputs", is_number=True),
            Column("outputs", is_number=True),
            Column("dead letters", is_number=True),
            Column("starts", is_number=True, rank=1),
            Column("written to", rank=2),
        ]
    )
    for member in deployment.members:
        agent = views.agents[member.name]
        known = agent.report or agent.status
        counts = [""] * 3
        if known is not None:
            counts = [f"{n:,}" for n in (known.events, known.outputs, known.dead_letters)]
        output = Text("" if agent.report is None or member.is_service else shown(member.output))
        table.add_row(agent.name, _state(agent), *counts, str(agent.restarts + 1), output)
    return table


def _state(agent: AgentView) -> Text:
    return Text(agent.state, _COLOURS.get(agent.state, ""))

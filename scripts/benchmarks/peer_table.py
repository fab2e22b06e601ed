"""The peers of `scripts/bench --peers`: versions, ways to run each, how much it gets to do."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mode:
    """One way to run a peer."""

    name: str
    title: str
    events: int
    """So many inputs that it takes a few seconds on a quiet machine."""
    survives: str
    """What of its results its documentation says to outlive."""
    kills: tuple[str, ...] = ("all",)
    """What is killed: one `worker`, or `all` processes of the job."""
    trips: int = 1000
    """Round trips; 0 if it has none, and `no_trips` says why."""
    no_trips: str = ""


@dataclass(frozen=True)
class Peer:
    """A system that does the same."""

    name: str
    title: str
    version: str
    modes: tuple[Mode, ...]
    requirements: tuple[str, ...] = ()
    """Of the Python package index, with versions."""
    alone: tuple[str, ...] = ()
    """The same, installed without what they depend on."""
    npm: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    """While it is installed."""
    workers: str = ""
    """What the command line of a worker process has in it."""


AT_A_CHECKPOINT = "outputs of a file appear with the next checkpoint, here after up to a second"

PEERS = (
    Peer(
        *("tamias", "tamias", "this checkout"),
        (
            Mode(
                *("process", "`durability` process", 600_000, "death of processes"),
                kills=("worker", "all"),
            ),
            Mode(
                *("machine", "`durability` machine", 400_000, "loss of power"),
                kills=("worker", "all"),
                trips=300,
            ),
        ),
        workers="tamias worker",
    ),
    Peer(
        *("bytewax", "Bytewax", "0.21.1"),
        (
            Mode("recovery", "snapshots each second", 600_000, "death of processes"),
            Mode("memory", "without recovery", 600_000, "nothing"),
        ),
        requirements=("bytewax==0.21.1",),
    ),
    Peer(
        *("ray", "Ray, two actors", "2.60.0"),
        (
            Mode(
                *("saved", "state saved by the program", 100_000, "death of processes"),
                kills=("worker", "all"),
            ),
            Mode("memory", "state in memory", 200_000, "nothing", kills=("worker", "all")),
        ),
        requirements=("ray==2.60.0",),
        workers="ray::Counter",
    ),
    Peer(
        *("dbos", "DBOS", "3.4.0"),
        (
            Mode("postgres", "on PostgreSQL", 2000, "loss of power", trips=200),
            Mode("sqlite", "on SQLite", 1000, "loss of power", trips=200),
        ),
        requirements=("dbos==3.4.0", "psycopg[binary]==3.3.9"),
    ),
    Peer(
        *("restate", "Restate, virtual objects", "1.7.12, SDK 1.2.0"),
        (
            Mode(
                *("default", "default settings", 3000, "loss of power"),
                kills=("worker", "all"),
                trips=300,
            ),
        ),
        requirements=("restate-sdk[client,serde]==1.2.0", "hypercorn==0.18.0"),
        npm=("@restatedev/restate-server@1.7.12",),
        workers="on_restate.py serve",
    ),
    Peer(
        *("pyflink", "PyFlink, KeyedProcessFunction", "2.3.0"),
        (
            Mode(
                *("thread", "thread mode, checkpoints each second", 400_000),
                "death of processes",
                trips=0,
                no_trips=AT_A_CHECKPOINT,
            ),
            Mode(
                *("process", "process mode, checkpoints each second", 400_000),
                "death of processes",
                kills=("worker", "all"),
                trips=0,
                no_trips=AT_A_CHECKPOINT,
            ),
        ),
        requirements=("setuptools<81", "apache-flink==2.3.0"),
        workers="pyflink.fn_execution.beam.beam_boot",
    ),
    Peer(
        *("flink_agents", "Flink Agents, local runner", "0.3.1"),
        (
            Mode(
                *("local", "in memory", 40_000, "nothing"),
                trips=0,
                no_trips="a run takes a whole list",
            ),
        ),
        requirements=(
            *("pydantic==2.11.4", "docstring-parser==0.16", "pyyaml==6.0.2", "mcp>=1.8,<2"),
            *("find_libpython", "importlib_resources", "apache-flink==2.2.1", "setuptools<81"),
        ),
        alone=("flink-agents==0.3.1",),
        environment={"FLINK_AGENTS_SKIP_JAR_DOWNLOAD": "1"},
    ),
)

NOT_HERE = {
    "Flink Agents on Flink": "its Java archives come from Maven, not from a package index",
    "Faust, Quix Streams": "they need a Kafka broker",
    "Temporal": "its server is in no package index",
    "Pathway": "its outputs are changes of a table, not one per event",
}
"""Others that one would look for, and why they are not measured."""

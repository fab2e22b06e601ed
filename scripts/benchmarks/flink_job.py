"""One measurement inside Flink: the counter over numbers, in a mini-cluster of this process.

    flink_job.py KIND [--events N] [--keys K] [--parallelism P]

KIND is what counts:

tamias        the counter agent over a table, keyed by a field of the row
tamias-access the same, keyed by a Python function that returns this field: Java does it
tamias-lambda the counter agent over numbers, keyed by a Python function, which PyFlink runs
thread        PyFlink's KeyedProcessFunction with a value state, in the JVM's interpreter
process       the same in PyFlink's own worker process

The numbers are the same in all cases, from a source of Flink's; outputs are thrown away; a
checkpoint is taken every five seconds. A short job comes first, so that everything has been started
once. Prints a line of JSON with the events per second of the job's whole run time, its start
included.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from pyflink.common import Configuration, Types
from pyflink.common.watermark_strategy import WatermarkStrategy
from pyflink.datastream import (
    KeyedProcessFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
)
from pyflink.datastream.connectors.number_seq import NumberSequenceSource
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from agents import Counter
from tamias import AgentsExecutionEnvironment

KINDS = ("tamias", "tamias-access", "tamias-lambda", "thread", "process")


class Count(KeyedProcessFunction):  # type: ignore[misc]  # PyFlink has no types
    """The counter, as PyFlink has it."""

    def open(self, runtime_context: RuntimeContext) -> None:
        """Ask for the state."""
        self.state = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Any:  # noqa: ARG002
        """Count one."""
        count = (self.state.value() or 0) + 1
        self.state.update(count)
        yield count


def job(kind: str, events: int, keys: int, parallelism: int, folder: str) -> float:
    """Run one job; returns its seconds."""
    config = Configuration()
    config.set_string("python.execution-mode", "thread" if kind == "thread" else "process")
    config.set_string("python.executable", sys.executable)
    config.set_string("python.client.executable", sys.executable)
    config.set_string("execution.checkpointing.interval", "5s")
    config.set_string("execution.checkpointing.dir", f"file://{folder}")
    config.set_string("python.fn-execution.bundle.size", "10000")
    config.set_string("python.state.cache-size", "5000")
    env = StreamExecutionEnvironment.get_execution_environment(config)
    env.set_parallelism(parallelism)
    source = NumberSequenceSource(0, events - 1)
    numbers = env.from_source(
        source, WatermarkStrategy.no_watermarks(), "numbers", type_info=Types.LONG()
    )
    if kind in ("tamias", "tamias-access"):
        t_env = StreamTableEnvironment.create(env)
        agents = AgentsExecutionEnvironment.get_execution_environment(env=env, t_env=t_env)
        t_env.create_temporary_view("numbers", numbers)
        rows = t_env.sql_query(f"SELECT MOD(f0, {keys}) AS k, f0 AS n FROM numbers")  # noqa: S608
        key: Any = "k" if kind == "tamias" else lambda row: row["k"]
        outputs = agents.from_table(rows, key).apply(Counter).to_datastream()
    elif kind == "tamias-lambda":
        agents = AgentsExecutionEnvironment.get_execution_environment(env=env)
        keyed = agents.from_datastream(numbers, lambda number: number % keys)
        outputs = keyed.apply(Counter).to_datastream()
    else:
        counts = numbers.key_by(lambda number: number % keys, Types.LONG())
        outputs = counts.process(Count(), Types.LONG())
    discard = get_gateway().jvm.org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink()
    outputs._j_data_stream.sinkTo(discard)  # noqa: SLF001 (PyFlink does not have it)
    result = env.execute()
    return float(result.get_net_runtime()) / 1000


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--parallelism", type=int, default=1)
    args = parser.parse_args()
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        job(args.kind, args.events // 20, args.keys, args.parallelism, folder)
        seconds = job(args.kind, args.events, args.keys, args.parallelism, folder)
    print(json.dumps({"kind": args.kind, "events_per_s": args.events / seconds}))


if __name__ == "__main__":
    main()

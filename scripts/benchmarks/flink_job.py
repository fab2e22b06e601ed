"""One measurement inside Flink: the counter over numbers, in a mini-cluster of this process.

    flink_job.py KIND [--events N] [--keys K] [--parallelism P]

KIND is what counts:

tamias        the counter agent, keyed by a field of the row
tamias-lambda the same, keyed by a Python function, which PyFlink runs
thread        PyFlink's KeyedProcessFunction with a value state, in the JVM's interpreter
process       the same in PyFlink's own worker process

The inputs are the same in all cases, from a Flink source; outputs are thrown away; a checkpoint is
taken every five seconds. A short job comes first, so that everything has been started once. Prints
a line of JSON with the events per second of the job's whole run time, its start included.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from counter_agent import Counter
from pyflink.common import Configuration, Types
from pyflink.datastream import (
    KeyedProcessFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
)
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from tamias import AgentsExecutionEnvironment


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
    t_env = StreamTableEnvironment.create(env)
    t_env.execute_sql(
        f"""CREATE TABLE numbers (n BIGINT) WITH (
            'connector' = 'datagen', 'rows-per-second' = '100000000',
            'fields.n.kind' = 'sequence', 'fields.n.start' = '0',
            'fields.n.end' = '{events - 1}')"""
    )
    table = t_env.sql_query(
        f"SELECT CONCAT('key-', CAST(MOD(n, {keys}) AS STRING)) AS k, n FROM numbers"  # noqa: S608
    )
    if kind.startswith("tamias"):
        agents = AgentsExecutionEnvironment.get_execution_environment(env=env, t_env=t_env)
        key: Any = "k" if kind == "tamias" else lambda row: row[0]
        outputs = agents.from_table(table, key).apply(Counter).to_datastream()
    else:
        stream = t_env.to_data_stream(table).key_by(lambda row: row[0], Types.STRING())
        outputs = stream.process(Count(), Types.LONG())
    discard = get_gateway().jvm.org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink()
    outputs._j_data_stream.sinkTo(discard)  # noqa: SLF001 (PyFlink does not have it)
    result = env.execute()
    return float(result.get_net_runtime()) / 1000


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("kind", choices=("tamias", "tamias-lambda", "thread", "process"))
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

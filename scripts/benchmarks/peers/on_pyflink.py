"""PyFlink: a KeyedProcessFunction with a value state, between Flink's file source and file sink.

A mini-cluster in this process, with checkpoints each second, exactly once; a repeated run starts
from the last checkpoint that was kept. Modes: `thread` has the function in the JVM's interpreter,
`process` in a worker process of Flink's.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from contract import Adapter, main
from pyflink.common import Configuration, Encoder, Types
from pyflink.common.watermark_strategy import WatermarkStrategy
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.file_system import FileSink, FileSource, StreamFormat
from pyflink.datastream.state import ValueStateDescriptor


class Count(KeyedProcessFunction):  # type: ignore[misc]  # PyFlink has no types
    """The agent: read the state, add, emit."""

    def open(self, runtime_context: RuntimeContext) -> None:
        """Ask for the state."""
        self.state = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, value: Any, ctx: Any) -> Any:
        """Count one."""
        del ctx
        total = (self.state.value() or 0) + 1
        self.state.update(total)
        yield json.dumps({"key": value[0], "value": value[1], "count": total})


def parse(line: str) -> tuple[str, int]:
    """An input."""
    record = json.loads(line)
    return record["key"], record["value"]


class OnPyFlink(Adapter):
    """A mini-cluster."""

    def run(self, folder: Path, mode: str) -> None:
        """As `Adapter.run`."""
        os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        if mode == "process":
            os.environ["_python_worker_execution_mode"] = "process"  # noqa: SIM112 (Flink's)
        checkpoints = folder / "checkpoints"
        config = Configuration()
        for name, value in {
            "python.execution-mode": mode,
            "python.executable": sys.executable,
            "python.client.executable": sys.executable,
            "execution.checkpointing.interval": "1s",
            "execution.checkpointing.mode": "EXACTLY_ONCE",
            "execution.checkpointing.dir": f"file://{checkpoints}",
            "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": "10",
            "restart-strategy.fixed-delay.delay": "1s",
            "python.fn-execution.bundle.size": "10000",
            "python.state.cache-size": "5000",
        }.items():
            config.set_string(name, value)
        kept = [path.parent for path in checkpoints.glob("*/chk-*/_metadata")]
        if kept:
            last = max(kept, key=lambda path: path.stat().st_mtime)
            config.set_string("execution.state-recovery.path", f"file://{last}")
        env = StreamExecutionEnvironment.get_execution_environment(config)
        env.set_parallelism(1)
        source = FileSource.for_record_stream_format(
            StreamFormat.text_line_format(), f"file://{folder / 'in.jsonl'}"
        ).build()
        lines = env.from_source(source, WatermarkStrategy.no_watermarks(), "in")
        events = lines.map(parse, Types.TUPLE([Types.STRING(), Types.LONG()]))
        counted = events.key_by(lambda event: event[0], Types.STRING()).process(
            Count(), Types.STRING()
        )
        sink = FileSink.for_row_format(str(folder / "out"), Encoder.simple_string_encoder())
        counted.sink_to(sink.build())
        env.execute()


if __name__ == "__main__":
    main(OnPyFlink())

"""The flights agent, unchanged, in a Flink job.

    python examples/flights/flink.py OUTPUT [--data FOLDER] [--from table|stream] [--parallelism N]

Reads `flights.csv` with Flink, as a table (keyed by a column) or as a stream of Python objects
(keyed by a Python function), and writes one JSON document per output into files below OUTPUT,
exactly once. Run it as it is, and Flink is a mini-cluster in this process; give it to `flink run
-py`, and it runs on that cluster. Needs the extra `flink`: pip install 'tamias[flink]'.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyflink.common import Configuration, Types, WatermarkStrategy
from pyflink.common.serialization import Encoder
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.connectors.file_system import (
    FileSink,
    FileSource,
    RollingPolicy,
    StreamFormat,
)
from pyflink.table import StreamTableEnvironment

sys.path.insert(0, str(Path(__file__).resolve().parent))

from agent import FlightsAgent
from tamias import AgentsExecutionEnvironment

if TYPE_CHECKING:
    from tamias import AgentBuilder


def from_table(
    agents: AgentsExecutionEnvironment, t_env: StreamTableEnvironment, path: Path
) -> AgentBuilder:
    """The rows as a table; no Python runs between Flink's reader and the agent."""
    with path.open(encoding="utf-8") as file:
        columns = file.readline().strip().split(",")
    fields = ", ".join(f"`{column}` STRING" for column in columns)
    t_env.execute_sql(
        f"CREATE TABLE flights ({fields}) WITH ('connector' = 'filesystem',"
        f" 'path' = 'file://{path}', 'format' = 'csv')"
    )
    header = columns[0]
    rows = t_env.sql_query(f"SELECT * FROM flights WHERE `{header}` <> '{header}'")  # noqa: S608
    return agents.from_table(rows, "tailnum")


def from_stream(
    agents: AgentsExecutionEnvironment, env: StreamExecutionEnvironment, path: Path
) -> AgentBuilder:
    """The rows as Python dicts, which PyFlink makes of the file's lines."""
    with path.open(encoding="utf-8") as file:
        columns = file.readline().strip().split(",")
    source = FileSource.for_record_stream_format(StreamFormat.text_line_format(), str(path)).build()
    lines = env.from_source(source, WatermarkStrategy.no_watermarks(), "flights")

    def parse(line: str) -> dict[str, str]:
        return dict(zip(columns, next(csv.reader([line])), strict=True))

    def key_of(row: Any) -> str:
        return str(row["tailnum"])

    rows = lines.map(parse).filter(lambda row: row["tailnum"] != "tailnum")
    return agents.from_datastream(rows, key_of)


def main() -> None:
    """Put the job together, and run it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).with_name("data"))
    parser.add_argument("--from", dest="kind", choices=("table", "stream"), default="table")
    parser.add_argument("--parallelism", type=int, default=1)
    args = parser.parse_args()
    config = Configuration()
    config.set_string("python.executable", sys.executable)
    config.set_string("python.client.executable", sys.executable)
    config.set_string("execution.checkpointing.interval", "1s")
    env = StreamExecutionEnvironment.get_execution_environment(config)
    env.set_parallelism(1)  # one reader, so that the rows of an aircraft stay in order
    t_env = StreamTableEnvironment.create(env)
    agents = AgentsExecutionEnvironment.get_execution_environment(env=env, t_env=t_env)
    # The workers look aircraft up in files of the same folder, wherever they run.
    variables = {"FLIGHTS_DATA": str(args.data.resolve())}
    agents.get_config().override({"environment": {"variables": variables}})
    path = (args.data / "flights.csv").resolve()
    builder = (
        from_table(agents, t_env, path) if args.kind == "table" else from_stream(agents, env, path)
    )
    outputs = builder.apply(FlightsAgent).to_datastream(Types.STRING())
    outputs.set_parallelism(args.parallelism)
    sink = (
        FileSink.for_row_format(str(args.output.resolve()), Encoder.simple_string_encoder("UTF-8"))
        .with_rolling_policy(RollingPolicy.on_checkpoint_rolling_policy())
        .build()
    )
    outputs.sink_to(sink)
    agents.execute()


if __name__ == "__main__":
    main()

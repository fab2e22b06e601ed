"""A Flink job without any Python in the JVM: numbers, keyed in SQL, through the agent, to files.

job.py OUTPUT --count N --keys K --rate R [--agent NAME] [--set KEY=VALUE ...]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pyflink.common import Types
from pyflink.common.serialization import Encoder
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.connectors.file_system import FileSink, RollingPolicy
from pyflink.table import StreamTableEnvironment

from support.flink import agent as flink_agent
from support.java import agents as java_agents
from tamias import AgentsExecutionEnvironment


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("output")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--agent", default="Chained")
    args = parser.parse_args()
    env = StreamExecutionEnvironment.get_execution_environment()
    t_env = StreamTableEnvironment.create(env)
    agents = AgentsExecutionEnvironment.get_execution_environment(env=env, t_env=t_env)
    agents.get_config().override(dict(entry.split("=", 1) for entry in args.set))
    t_env.execute_sql(
        f"""CREATE TABLE numbers (n BIGINT) WITH (
            'connector' = 'datagen', 'rows-per-second' = '{args.rate}',
            'fields.n.kind' = 'sequence', 'fields.n.start' = '0',
            'fields.n.end' = '{args.count - 1}', 'scan.parallelism' = '1')"""
    )
    agent = getattr(flink_agent, args.agent, None) or getattr(java_agents, args.agent)
    table = t_env.sql_query(
        f"SELECT CONCAT('key-', CAST(MOD(n, {args.keys}) AS STRING)) AS k, n FROM numbers"
    )
    outputs = agents.from_table(table, "k").apply(agent).to_datastream(Types.STRING())
    sink = (
        FileSink.for_row_format(args.output, Encoder.simple_string_encoder("UTF-8"))
        .with_rolling_policy(RollingPolicy.on_checkpoint_rolling_policy())
        .build()
    )
    outputs.sink_to(sink)
    agents.execute()


if __name__ == "__main__":
    main()

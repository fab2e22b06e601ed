"""A Flink job without any Python in the JVM: numbers, keyed in SQL, through the agent, to files.

job.py OUTPUT --count N --keys K --rate R [--agent NAME] [--answers FOLDER] [--set KEY=VALUE ...]

New files in FOLDER have answers: JSON lines with `k`, `answer_to`, `value`.
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
from support.flink import patient, remembering
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
    parser.add_argument("--answers")
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
    modules = (flink_agent, java_agents, patient, remembering)
    agent = next(filter(None, (getattr(module, args.agent, None) for module in modules)))
    query = f"SELECT CONCAT('key-', CAST(MOD(n, {args.keys}) AS STRING)) AS k, n FROM numbers"
    if args.answers:
        t_env.execute_sql(
            f"""CREATE TABLE answers (k STRING, answer_to STRING, `value` STRING) WITH (
                'connector' = 'filesystem', 'path' = 'file://{args.answers}', 'format' = 'json',
                'source.monitor-interval' = '100ms')"""
        )
        nothing = "CAST(NULL AS STRING)"
        query = (
            f"SELECT k, n, {nothing} AS answer_to, {nothing} AS `value` FROM ({query}) UNION ALL"
            " SELECT k, CAST(NULL AS BIGINT) AS n, answer_to, `value` FROM answers"
        )
    table = t_env.sql_query(query)
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

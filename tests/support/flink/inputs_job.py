"""A Flink job, in a mini-cluster of this process, that has its inputs in all forms that there are.

    inputs_job.py FOLDER

Each form is read by an agent of its own that counts, and leaves its outputs in FOLDER/FORM.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pyflink.common import Row, Types
from pyflink.common.serialization import Encoder
from pyflink.datastream import KeySelector, StreamExecutionEnvironment
from pyflink.datastream.connectors.file_system import FileSink
from pyflink.table import DataTypes, Schema, StreamTableEnvironment

from support.flink.agent import Counting
from support.flink.patient import Patient
from tamias import AgentsExecutionEnvironment

COUNT = 60
KEYS = 7


class Remainder(KeySelector):  # type: ignore[misc]  # PyFlink has no types
    """A key that is computed."""

    def get_key(self, value: Any) -> int:
        """Of a row."""
        return int(value[0]) % KEYS


def main() -> None:
    """Run the job."""
    folder = Path(sys.argv[1])
    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    t_env = StreamTableEnvironment.create(env)
    agents = AgentsExecutionEnvironment.get_execution_environment(env=env, t_env=t_env)

    def save(name: str, stream: Any, to_json: Any = json.dumps) -> None:
        sink = FileSink.for_row_format(
            str(folder / name), Encoder.simple_string_encoder("UTF-8")
        ).build()
        stream.map(to_json, output_type=Types.STRING()).sink_to(sink)

    rows: Any = env.from_collection(
        [Row(n, f"text {n}") for n in range(COUNT)],
        type_info=Types.ROW_NAMED(["n", "text"], [Types.LONG(), Types.STRING()]),
    )
    objects: Any = env.from_collection([{"n": n} for n in range(COUNT)])
    whole: Any = env.from_collection(list(range(COUNT)), type_info=Types.LONG())

    def counted(stream: Any, key: Any = None) -> Any:
        return agents.from_datastream(stream, key).apply(Counting)

    save("selector", counted(rows, Remainder()).to_datastream())
    save("function", counted(objects, lambda value: value["n"] % KEYS).to_datastream())
    save("keyed", counted(whole.key_by(lambda n: n % KEYS, Types.LONG())).to_datastream())
    keyed_twice = rows.key_by(lambda row: f"key {row[0] % KEYS}", Types.STRING())
    save("keyed-rows", counted(keyed_twice).to_datastream())
    some: Any = env.from_collection(
        [Row(n, Row(None if n % KEYS == 0 else f"key {n % KEYS}")) for n in range(COUNT)],
        type_info=Types.ROW_NAMED(
            ["n", "place"], [Types.LONG(), Types.ROW_NAMED(["city"], [Types.STRING()])]
        ),
    )
    save("accessed", counted(some, lambda row: row["place"].city).to_datastream())
    save("computed", counted(some, lambda row: row["place"].city or None).to_datastream())
    row = Types.ROW_NAMED(["key", "count"], [Types.LONG(), Types.LONG()])
    save(
        "rows",
        counted(whole, lambda n: n % KEYS).to_datastream(row),
        lambda value: json.dumps({"key": value["key"], "count": value["count"]}),
    )
    schema = (
        Schema.new_builder()
        .column("key", DataTypes.BIGINT())
        .column("count", DataTypes.BIGINT())
        .build()
    )
    table = counted(whole, lambda n: n % KEYS).to_table(schema, row)
    added = t_env.sql_query(f"SELECT `key`, `count` FROM {table} WHERE `count` > 1")
    save(
        "table",
        t_env.to_data_stream(added),
        lambda value: json.dumps({"key": value[0], "count": value[1]}),
    )
    agents.get_config().override({"suspend-after": "0.05s", "pause": "0.3", "asks": "no"})
    patient = agents.from_datastream(rows, lambda row: f"key-{row[0] % KEYS}").apply(Patient)
    save("waiting", patient.to_datastream())
    agents.execute()


if __name__ == "__main__":
    main()

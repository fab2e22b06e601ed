"""Programs of Flink Agents in a mini-cluster, in each of its versions' forms."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from support.flink import outputs

pytest.importorskip("pyflink", reason="PyFlink is not installed: it has no wheels for this Python")

pytestmark = pytest.mark.timeout(900)

PACKAGE = Path(__file__).parents[2] / "flink_agents" / "package"

MODELS = """
    from pydantic import BaseModel


    class Order(BaseModel):
        customer: str
        amount: int


    class Sum(BaseModel):
        customer: str
        total: int
"""

AGENTS_OF_0_2 = """
    from flink_agents.api.agents.agent import Agent
    from flink_agents.api.decorators import action
    from flink_agents.api.events.event import Event, InputEvent, OutputEvent
    from models import Order, Sum


    class Added(Event):
        total: int


    class Adding(Agent):
        @action(InputEvent)
        @staticmethod
        def add(event, ctx):
            assert isinstance(event.input, Order)
            total = (ctx.short_term_memory.get("sum.total") or 0) + event.input.amount
            ctx.short_term_memory.set("sum.total", total)
            ctx.send_event(Added(total=total))

        @action(Added)
        @staticmethod
        def tell(event, ctx):
            ctx.send_event(OutputEvent(output=Sum(customer=ctx.key, total=event.total)))


    class OfTable(Agent):
        @action(InputEvent)
        @staticmethod
        def double(event, ctx):
            row = event.input
            row["amount"] *= 2
            ctx.send_event(OutputEvent(output=row))
"""

AGENTS_SINCE_0_3 = """
    from flink_agents.api.agents.agent import Agent
    from flink_agents.api.decorators import action
    from flink_agents.api.events.event import Event, InputEvent, OutputEvent
    from models import Order, Sum


    class Adding(Agent):
        @action(InputEvent.EVENT_TYPE)
        @staticmethod
        def add(event, ctx):
            given = InputEvent.from_event(event).input
            assert isinstance(given, dict)
            order = Order.model_validate(given)
            total = (ctx.short_term_memory.get("sum.total") or 0) + order.amount
            ctx.short_term_memory.set("sum.total", total)
            ctx.send_event(Event(type="added", attributes={"total": total}))

        @action("added")
        @staticmethod
        def tell(event, ctx):
            total = event.get_attr("total")
            ctx.send_event(OutputEvent(output=Sum(customer=ctx.key, total=total)))


    class OfTable(Agent):
        @action(InputEvent.EVENT_TYPE)
        @staticmethod
        def double(event, ctx):
            row = InputEvent.from_event(event).input
            row["amount"] *= 2
            ctx.send_event(OutputEvent(output=row))
"""

JOB = """
    import json
    import sys

    from agents import Adding, OfTable
    from models import Order
    from pyflink.common import Types
    from pyflink.common.serialization import Encoder
    from pyflink.common.typeinfo import BasicTypeInfo, ExternalTypeInfo, RowTypeInfo
    from pyflink.datastream import KeySelector, StreamExecutionEnvironment
    from pyflink.datastream.connectors.file_system import FileSink
    from pyflink.table import DataTypes, Schema, StreamTableEnvironment

    from flink_agents.api.execution_environment import AgentsExecutionEnvironment


    class Customer(KeySelector):
        def get_key(self, value):
            return value.customer


    def save(name, stream, function):
        place = f"{sys.argv[1]}/{name}"
        sink = FileSink.for_row_format(place, Encoder.simple_string_encoder("UTF-8")).build()
        stream.map(function, output_type=Types.STRING()).sink_to(sink)


    env = StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    t_env = StreamTableEnvironment.create(env)
    agents = AgentsExecutionEnvironment.get_execution_environment(env=env, t_env=t_env)
    texts = env.from_collection([f"{name} {n}" for n in range(5) for name in ("ada", "bob")])
    orders = texts.map(lambda text: Order(customer=text.split()[0], amount=int(text.split()[1])))

    sums = agents.from_datastream(orders, key_selector=Customer()).apply(Adding()).to_datastream()
    save("sums", sums, lambda found: json.dumps([found.customer, found.total]))
    if sys.argv[2] == "0.2":
        save("whole", sums, lambda found: found.model_dump_json())
    else:
        save("whole", sums, lambda found: json.dumps(found))

    table = t_env.from_elements([("ada", 1), ("bob", 2)], ["customer", "amount"])
    schema = (
        Schema.new_builder()
        .column("customer", DataTypes.STRING())
        .column("amount", DataTypes.BIGINT())
        .build()
    )
    fields = [BasicTypeInfo.STRING_TYPE_INFO(), BasicTypeInfo.LONG_TYPE_INFO()]
    rows = ExternalTypeInfo(RowTypeInfo(fields, ["customer", "amount"]))
    doubled = agents.from_table(table, Customer()).apply(OfTable()).to_table(schema, rows)
    save("rows", t_env.to_data_stream(doubled), lambda row: json.dumps([row[0], row[1]]))
    agents.execute("orders")
"""


@pytest.mark.parametrize("dialect", ["0.2", "0.3", "0.4"])
def test_streams_and_tables_in_the_form_of_each_version(tmp_path: Path, dialect: str) -> None:
    texts = {
        "models": MODELS,
        "agents": AGENTS_OF_0_2 if dialect == "0.2" else AGENTS_SINCE_0_3,
        "job": JOB,
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(dedent(text), encoding="utf-8")
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "job.py", str(out), dialect],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "TAMIAS_FLINK_AGENTS": dialect},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sums = [[name, total] for name in ("ada", "bob") for total in (0, 1, 3, 6, 10)]
    assert sorted(_lines(out / "sums")) == sums
    whole = [{"customer": name, "total": total} for name, total in sums]
    assert sorted(_lines(out / "whole"), key=lambda one: list(one.values())) == whole
    assert sorted(_lines(out / "rows")) == [["ada", 2], ["bob", 4]]


def _lines(folder: Path) -> list[Any]:
    return list(outputs.lines(folder))

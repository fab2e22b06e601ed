"""A Flink job, in a mini-cluster of this process, whose agent uses Java resources both ways.

    java_job.py JAVA_CLASSPATH COUNT

Prints the outputs as JSON: what Java said, how many calls were there at once, and what a
Java setup made of a connection, a prompt and a tool of Python's.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pyflink.common import Configuration, Types
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway

from support.java.agents import Echoing, model_of
from tamias import (
    AgentsExecutionEnvironment,
    BaseChatModelSetup,
    ChatMessage,
    InputEvent,
    OutputEvent,
    ResourceType,
    RunnerContext,
    action,
)


class Asking(Echoing):
    """Awaits an answer of Java's, and has Java ask Python."""

    @action(InputEvent)
    @staticmethod
    async def ask(event: InputEvent, ctx: RunnerContext) -> None:
        """Ask both."""
        answer = await model_of(ctx).achat([ChatMessage(content=event.input.said)])
        over = cast("BaseChatModelSetup", ctx.get_resource("over_python", ResourceType.CHAT_MODEL))
        asked = [ChatMessage(content="hi", extra_args={"manner": "kind"})]
        both = await over.achat(asked)
        output = {
            "said": answer.content,
            "most": answer.extra_args.get("most"),
            "over": [both.content, both.extra_args["results"]],
            "port": os.environ.get("TAMIAS_JVM_PORT"),
        }
        ctx.send_event(OutputEvent(output=output))


def main() -> None:
    """Run the job."""
    classpath, count = sys.argv[1], int(sys.argv[2])
    config = Configuration()
    config.set_string("python.executable", sys.executable)
    env = StreamExecutionEnvironment.get_execution_environment(config)
    env.set_parallelism(1)
    agents = AgentsExecutionEnvironment.get_execution_environment(env=env)
    agents.get_config().set_str("java-classpath", classpath)
    rows: Any = env.from_collection(
        [(number, "sleep 1000") for number in range(count)],
        type_info=Types.ROW_NAMED(["number", "said"], [Types.INT(), Types.STRING()]),
    )
    outputs = agents.from_datastream(rows, "number").apply(Asking).to_datastream()
    with outputs.execute_and_collect() as results:
        found = list(results)
    jvm = get_gateway().jvm.java.lang.ProcessHandle.current().pid()
    sys.stdout.write(json.dumps({"jvm": jvm, "outputs": found}) + "\n")


if __name__ == "__main__":
    main()

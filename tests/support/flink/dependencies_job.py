"""A Flink job whose agent needs what the job brings along: a file, an archive, a requirement.

    dependencies_job.py FOLDER

Makes all three in FOLDER, and prints as JSON what the agent's actions saw of them.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pyflink.common import Configuration, Types
from pyflink.datastream import StreamExecutionEnvironment

from tamias import Agent, AgentsExecutionEnvironment, InputEvent, OutputEvent, RunnerContext, action

LAUNCHER = """#!/bin/sh
STARTED_BY=archive exec {python} "$@"
"""


class Needing(Agent):
    """Cannot do without."""

    @action(InputEvent)
    @staticmethod
    def tell(event: InputEvent, ctx: RunnerContext) -> None:
        """What there is."""
        told = {
            "file": import_module("brought_file").WORD,
            "wheel": import_module("brought_wheel").WORD,
            "archive": Path("data.zip/words/word.txt").read_text(),
            "started by": os.environ.get("STARTED_BY"),
            "n": event.input["n"],
        }
        ctx.send_event(OutputEvent(output=told))


def write_wheel(folder: Path) -> Path:
    """A distribution of one module."""
    path = folder / "brought_wheel-1.0-py3-none-any.whl"
    info = "brought_wheel-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("brought_wheel.py", "WORD = 'installed'\n")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: brought-wheel\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def main() -> None:
    """Run the job."""
    folder = Path(sys.argv[1])
    (folder / "brought_file.py").write_text("WORD = 'shipped'\n")
    with zipfile.ZipFile(folder / "data.zip", "w") as archive:
        archive.writestr("words/word.txt", "unpacked")
    with zipfile.ZipFile(folder / "tools.zip", "w") as archive:
        script = zipfile.ZipInfo("bin/python")
        script.external_attr = 0o100755 << 16
        script.create_system = 3  # Unix: it has permissions
        archive.writestr(script, LAUNCHER.format(python=sys.executable))
    write_wheel(folder)
    requirements = folder / "requirements.txt"
    requirements.write_text("brought-wheel==1.0\n")
    config = Configuration()
    config.set_string("python.client.executable", sys.executable)
    env = StreamExecutionEnvironment.get_execution_environment(config)
    env.set_parallelism(1)
    env.add_python_file(str(folder / "brought_file.py"))
    env.add_python_archive(str(folder / "data.zip"))
    env.add_python_archive(str(folder / "tools.zip"))
    env.set_python_requirements(str(requirements), str(folder))
    env.set_python_executable("tools.zip/bin/python")
    agents = AgentsExecutionEnvironment.get_execution_environment(env=env)
    numbers: Any = env.from_collection(
        [(n,) for n in range(3)], type_info=Types.ROW_NAMED(["n"], [Types.LONG()])
    )
    outputs = agents.from_datastream(numbers, "n").apply(Needing).to_datastream(Types.STRING())
    with outputs.execute_and_collect() as results:
        found = [json.loads(output) for output in results]
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()

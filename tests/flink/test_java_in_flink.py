"""Java resources in a Flink job: those of the task's own JVM, and Python's from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from support.java.settings import java_settings, marked_jvms, needs_java

pytestmark = needs_java

PROGRAM = Path(__file__).parents[1] / "support" / "flink" / "java_job.py"


def test_the_workers_use_the_resources_of_the_tasks_jvm() -> None:
    mark = uuid4().hex
    done = subprocess.run(
        [sys.executable, str(PROGRAM), java_settings()["java-classpath"], "40"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TEST_MARK": mark},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    outputs = told["outputs"]
    assert len(outputs) == 40
    assert {output["said"] for output in outputs} == {"sleep 1000"}
    assert {json.dumps(output["over"]) for output in outputs} == {
        json.dumps(["user: Be kind. | user: hi", [3]])
    }
    # One gateway for all, and so many calls at a time as there are keys.
    assert len({output["port"] for output in outputs} - {None}) == 1
    assert max(output["most"] for output in outputs) == 40
    assert marked_jvms(mark) == []

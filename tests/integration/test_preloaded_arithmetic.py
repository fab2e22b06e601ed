"""What workers of agents with embedding models share from the start."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("numpy", reason="needs the extra `memory`")

PROGRAM = """
import sys
from tamias import *

class Imported(Agent):
    @action(InputEvent)
    @staticmethod
    def act(event, ctx):
        ctx.send_event(OutputEvent(output="numpy" in sys.modules))

class Connection(BaseEmbeddingModelConnection):
    def embed(self, text, **kwargs):
        raise NotImplementedError

class Setup(BaseEmbeddingModelSetup):
    @property
    def model_kwargs(self):
        return {}

class WithModel(Imported):
    @embedding_model_connection
    @staticmethod
    def here():
        return ResourceDescriptor(clazz=Connection)

    @embedding_model_setup
    @staticmethod
    def texts():
        return ResourceDescriptor(clazz=Setup, connection="here", model="m")
"""


@pytest.mark.process
@pytest.mark.parametrize(("agent", "there"), [("Imported", False), ("WithModel", True)])
def test_workers_have_numpy_if_the_agent_has_an_embedding_model(
    tmp_path: Path, agent: str, *, there: bool
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "in.jsonl").write_text('{"key": "k", "value": 0}\n')
    command = [sys.executable, "-m", "tamias", "run", f"program.py:{agent}"]
    command += ["--input", "in.jsonl", "--output", "out.jsonl"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.jsonl").read_text())["output"] is there

"""Jobs of `trouble_agent.py` in this process's own pool, and what has become of their inputs."""

from __future__ import annotations

import json
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamias.launcher.jobs.file_job import JobSpec, run_file_job
from tamias.store.state.layout import StateLayout
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    import pytest

    from tamias.launcher.jobs.report import Report
    from tamias.launcher.pool.status import PoolStatus
    from tamias.store.records.dead_letters import DeadLetter

AGENT = Path(__file__).with_name("trouble_agent.py")


class Job:
    """A job in a directory.

    Attributes:
        report: of the last life.
        lines: of the output.
        dead: the dead letters by offset.
        held: what the statuses have said of workers that stand still.
        degraded: what the statuses have said about that, in turn.
        last_status: a copy of the last one.
    """

    report: Report

    def __init__(self, directory: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.lines: list[dict[str, Any]] = []
        self.dead: dict[int, DeadLetter] = {}
        self.held: list[str] = []
        self.degraded: list[str] = []
        self.last_status: PoolStatus | None = None
        self._caplog = caplog
        caplog.set_level("INFO", "tamias.pool")

    def write(self, name: str, text: str) -> Path:
        """Write a file into the directory."""
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def run(
        self,
        specials: dict[int, str],
        inputs: int = 200,
        *,
        keys: int = 20,
        agent: str = "Trouble",
        target: str | None = None,
        **settings: Any,
    ) -> None:
        """Run plain inputs, some of them special, and check that all others came through once."""
        source = self.directory / "in.jsonl"
        with source.open("w") as lines:
            for offset in range(inputs):
                record = {"key": f"k{offset % keys}", "value": specials.get(offset, "plain")}
                lines.write(json.dumps(record) + "\n")
        config = {name.replace("_", "-"): value for name, value in settings.items()}
        output = self.directory / "out.jsonl"
        spec = JobSpec(
            target=target or f"{AGENT}:{agent}",
            input=str(source),
            output=str(output),
            config={"workers": 2, **config},
        )
        self.report = run_file_job(spec, self.state, on_status=self._look)
        self.lines = [json.loads(line) for line in output.read_text().splitlines()]
        with StoreReader(self.state) as reader:
            self.dead = {}
            for number in range(reader.view.manifest.shards):
                with reader.shard(number) as snapshot:
                    if snapshot is not None:
                        letters = snapshot.dead_letters()
                        self.dead.update((letter.offset, letter) for letter in letters)
        done = sorted(line["offset"] for line in self.lines)
        assert done == sorted({*range(inputs)} - set(self.dead))

    def causes(self) -> dict[int, str]:
        """The causes of the dead letters, by offset."""
        return {offset: letter.cause for offset, letter in sorted(self.dead.items())}

    @property
    def said(self) -> str:
        """What the pool has said."""
        return self._caplog.text

    @property
    def log(self) -> str:
        """What workers and zygotes have said."""
        return StateLayout(self.state).pool_log.read_text()

    def _look(self, status: PoolStatus) -> None:
        self.degraded.append(status.degraded)
        self.held += [worker.held for worker in status.workers if worker.held]
        self.last_status = copy(status)

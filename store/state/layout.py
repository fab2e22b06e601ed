"""`StateLayout`: the paths in a state directory.

tamias.json      the manifest: format, number of shards, agent, durability, job
launcher.lock    lease of the launcher that uses the directory
progress/        the launcher's progress log (LMDB)
shards/00/ ...   one shard each (LMDB and its write lease)
intake/          requests of a service's clients
outputs/         outputs of a program that reads them as a list
reembedding/     vectors that are being made anew
logs/pool.log    output of the workers
recordings/      runs that were recorded, to be executed again under a debugger
events/          what runs have done, as far as it is kept
profiles/        where workers have spent their time, and requests for more of that
status.json      the last status, for other commands
run/             files of a running pool: control socket, beacons, stacks of threads
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

__all__ = ["StateLayout"]


class StateLayout:
    """The paths in a state directory, whether they exist or not."""

    __slots__ = ("path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def manifest(self) -> Path:
        """The file that makes a directory a state directory."""
        return self.path / "tamias.json"

    @property
    def launcher_lock(self) -> Path:
        """The lease of the launcher that uses the directory."""
        return self.path / "launcher.lock"

    @property
    def status(self) -> Path:
        """The last status that a launcher wrote."""
        return self.path / "status.json"

    @property
    def limits_log(self) -> Path:
        """The file of permits that were granted within the last minute."""
        return self.path / "limits.log"

    @property
    def progress(self) -> Path:
        """The directory of the launcher's progress log."""
        return self.path / "progress"

    @property
    def shards(self) -> Path:
        """The directory of all shards."""
        return self.path / "shards"

    def shard(self, number: int) -> Path:
        """The directory of one shard."""
        return self.shards / f"{number:02d}"

    @property
    def intake(self) -> Path:
        """The directory of a service's request log."""
        return self.path / "intake"

    @property
    def outputs(self) -> Path:
        """The directory of outputs that a program reads as a list."""
        return self.path / "outputs"

    @property
    def reembedding(self) -> Path:
        """The directory of vectors that were made, and are not in their sets yet."""
        return self.path / "reembedding"

    @property
    def logs(self) -> Path:
        """The directory of logs."""
        return self.path / "logs"

    @property
    def pool_log(self) -> Path:
        """The file of output of the workers."""
        return self.logs / "pool.log"

    @property
    def profiles(self) -> Path:
        """The directory of profiles: what workers have recorded, and requests for more."""
        return self.path / "profiles"

    def recorded_profile(self, slot: int) -> Path:
        """The file in which a slot's workers record where they spend their time."""
        return self.profiles / f"worker-{slot}.jsonl"

    @property
    def events(self) -> Path:
        """The directory of the event log."""
        return self.path / "events"

    def event_log(self, slot: int) -> Path:
        """The file in which a slot's workers write what their runs have done."""
        return self.events / f"events-{slot}.log"

    @property
    def recordings(self) -> Path:
        """The directory of recorded runs."""
        return self.path / "recordings"

    def recorded_runs(self, slot: int) -> Path:
        """The file in which a slot's workers record runs."""
        return self.recordings / f"runs-{slot}.jsonl"

    @property
    def run(self) -> Path:
        """The directory of files that only a running pool needs."""
        return self.path / "run"

    @property
    def control_socket(self) -> Path:
        """The Unix socket at which the launcher takes commands."""
        return self.run / "control"

    @property
    def beacons(self) -> Path:
        """The file of the beacons of all workers."""
        return self.run / "beacons"

    def counts(self, slot: int) -> Path:
        """The file in which a slot's worker counts, for the case that it is killed."""
        return self.run / f"counts-{slot}"

    def stacks(self, slot: int) -> Path:
        """The file for the stacks of a slot's worker, written at a crash or on request."""
        return self.run / f"stacks-{slot}"

"""What a Flink job is to its pools, without Flink: tasks that send, checkpoint, and are restored.

The same protocol as the Java operator's, over real pipes to real launchers; so hundreds of crashes
and rescalings fit into the time that Flink needs for one. The job is exact about its own part, as
Flink is: the source can be rewound, and outputs count when the checkpoint after them is complete.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
from array import array
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import psutil

from tamias.bridge.task import frames
from tamias.store.encoding.keys import encode_key
from tamias.store.records.offsets import is_owned
from tamias.store.records.outbox import decode_outputs

if TYPE_CHECKING:
    from collections.abc import Iterable

AGENT = f"{Path(__file__).with_name('agent.py')}:Chained"
GROUPS = 12
MOST = 4
"""Levels of a checkpoint, at most."""


@dataclass(frozen=True)
class Pending:
    """An input without an outcome."""

    offset: int
    key: bytes
    payload: bytes

    @property
    def group(self) -> int:
        """The key group."""
        return int.from_bytes(self.key[1:3], "big")


@dataclass
class Group:
    """A key group in a checkpoint.

    Attributes:
        levels: parts of memory; of all keys first, and then of those that had changed each time.
    """

    levels: tuple[tuple[bytes, ...], ...] = ()
    journal: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    answered: list[bytes] = field(default_factory=list)
    """Outputs that the pool had committed and the task had not emitted, in their order."""


@dataclass(frozen=True)
class Barrier:
    """What belongs to a checkpoint besides the pool's state, and what that is built upon."""

    pending: list[Pending]
    emitted: dict[int, int]
    """By shard, the last outbox record that the task had emitted."""
    changed: list[bytes] | None
    """The keys to be asked for, if the rest is as it was."""
    base: dict[int, Group]


@dataclass
class Checkpoint:
    """A complete one: what Flink would have on its distributed storage."""

    position: int = 0
    base: int = 0
    groups: dict[int, Group] = field(default_factory=dict)
    waiting: list[bytes] = field(default_factory=list)
    """Parts of all tasks on what waits."""
    outputs: int = 0
    """How many outputs it covers."""


def grouped(key: str) -> bytes:
    """A key as the operator would encode it."""
    group = crc32(key.encode()) % GROUPS
    return b"g" + group.to_bytes(2, "big") + encode_key(key)


class Task:
    """One subtask and its pool."""

    def __init__(
        self, home: Path, groups: range, job: dict[str, Any], *, step: int, first: int
    ) -> None:
        """`first` is the offset of its first input, `step` from there to the next."""
        self.home = home
        self.groups = groups
        self.step = step
        self.next = first
        self.job = {
            "name": "agent:Chained",
            "target": AGENT,
            "state": str(home / "state"),
            "first_group": groups.start,
            "last_group": groups.stop - 1,
            "step": step,
            **job,
        }
        self.pending: dict[int, Pending] = {}
        self.emitted: list[bytes] = []
        self.records: dict[int, int] = {}
        """By shard, the last outbox record that was emitted."""
        self.is_finished = False
        """Whether the launcher has reported the end."""
        self.is_ending = False
        self.waiting: list[bytes] = []
        """What waited at the last checkpoint that was read out."""
        self.lives = 0
        self.whole = True
        """Whether all that a checkpoint held is in the state directory."""
        self.failed = False
        """Whether it cannot go on, and the job has to be restored."""
        self.base: dict[int, Group] | None = None
        """The last checkpoint, if it is complete."""
        self._changed: set[bytes] = set()
        """Keys that had inputs since the last barrier, or had one pending at it."""

    # -- the launcher -------------------------------------------------------------------------

    def start(self, groups: Iterable[Group] = (), waiting: Iterable[bytes] = ()) -> None:
        """Begin, from what a checkpoint holds of this task's key groups."""
        self.home.mkdir(parents=True)
        self._claim = (self.home / "task.lock").open("wb")
        fcntl.lockf(self._claim, fcntl.LOCK_EX)
        self._launch()
        restored: list[Pending] = []
        for group in groups:
            self.whole = False
            for age, parts in enumerate(reversed(group.levels)):
                for part in parts:
                    self.send(b"R", struct.pack("<I", age) + part)
            if group.journal:
                number = group.pending[0].group
                body = struct.pack("<H", number) + frames.pack_journal(group.journal)
                self.send(b"J", body)
            restored += group.pending
            self.emitted += group.answered
        for part in waiting:
            self.send(b"W", part)
        self.send(b"G")
        for pending in sorted(restored, key=lambda pending: pending.offset):
            self._give(pending)

    def _launch(self) -> None:
        self.lives += 1
        with (self.home.parent / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tamias.bridge.task.main"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._deframer = frames.Deframer()
        self._parts: list[tuple[bytes, bytes]] = []
        self.send(b"C", json.dumps(self.job).encode())

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """A frame; to a launcher that is dead it is lost."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(struct.pack("<I", 1 + len(body)) + kind + body)
            self.process.stdin.flush()
        except BrokenPipeError:
            return

    def input(self, key: str, payload: bytes) -> None:
        """Send an input."""
        self._give(Pending(self.next, grouped(key), payload))
        self.next += self.step

    def _give(self, pending: Pending) -> None:
        self.pending[pending.offset] = pending
        self._changed.add(pending.key)
        self._send_input(pending)

    def _send_input(self, pending: Pending) -> None:
        key, payload = pending.key, pending.payload
        head = struct.pack("<QII", pending.offset, 1, len(key))
        lengths = array("I", [len(key), len(payload)]).tobytes()
        self.send(b"I", head + lengths + key + payload)

    def listen(self, seconds: float = 0.02) -> None:
        """Take in what the launcher says; if it is dead, start another one where it was."""
        assert self.process.stdout is not None
        if self.failed:
            return
        select.select([self.process.stdout], [], [], seconds)
        data = self.process.stdout.read()
        if data is None:
            return
        if not data:
            self._died()
            return
        for kind, body in self._deframer.feed(data):
            if kind == ord("O"):
                self._outcomes(body)
            elif kind == ord("S"):
                self._parts += frames.unpack_parts(body[8:])
            elif kind == ord("K"):
                self.whole = True
            elif kind == ord("F"):
                self.is_finished = True
            elif kind == ord("E"):
                raise AssertionError(body.decode())

    def _outcomes(self, body: bytes) -> None:
        shard, sequence, record = frames.unpack_record(body[8:])
        if sequence > self.records.get(shard, 0):
            self.records[shard] = sequence
            for number, outputs in decode_outputs(record).each():
                if self.pending.pop(number, None) is not None or is_owned(number):
                    self.emitted += map(bytes, outputs)
        self.send(b"A", body[:8])

    def end_input(self) -> None:
        """Say that no more inputs come."""
        self.is_ending = True
        self.send(b"Z")

    def _died(self) -> None:
        self.process.wait()
        if not self.whole:
            self.failed = True
            return
        self._close_pipes()
        self._launch()
        self.base = None  # the new launcher does not know which keys have changed
        self.send(b"G")
        for pending in self.pending.values():
            self._send_input(pending)
        if self.is_ending:
            self.send(b"Z")

    # -- checkpoints --------------------------------------------------------------------------

    def barrier(self, number: int) -> Barrier:
        """Send a barrier; the checkpoint is built upon the last one if that is complete."""
        self.send(b"B", struct.pack("<QB", number, 1))
        base, changed = self.base or {}, sorted(self._changed)
        builds = max((len(group.levels) for group in base.values()), default=MOST) < MOST
        pending = list(self.pending.values())
        self.base = None
        self._changed = {entry.key for entry in pending}
        emitted = dict(self.records)
        return Barrier(pending, emitted, changed if builds else None, base if builds else {})

    def read_out(self, number: int, barrier: Barrier) -> dict[int, Group] | None:
        """The state of all key groups as of the barrier; None if the launcher died meanwhile."""
        if barrier.changed is not None:
            lengths = array("I", map(len, barrier.changed)).tobytes()
            head = struct.pack("<QI", number, len(barrier.changed))
            self.send(b"Q", head + lengths + b"".join(barrier.changed))
        parts = self._pull_all(number)
        if parts is None:
            return None
        base = {} if parts[0][0] == b"a" else barrier.base
        groups = {group: Group() for group in self.groups}
        pending = {entry.offset: entry for entry in barrier.pending}
        memory: defaultdict[int, list[bytes]] = defaultdict(list)
        journal: list[tuple[int, bytes, bytes]] = []
        self.waiting = [body for kind, body in parts if kind == b"w"]
        for kind, body in parts:
            if kind == b"m":
                memory[frames.unpack_memory(body).group].append(body)
            elif kind == b"j":
                journal += frames.unpack_journal(body)
            elif kind == b"o":
                self._collect(body, barrier, pending, groups)
        for group, made in groups.items():
            made.levels = (*(base[group].levels if base else ()), tuple(memory[group]))
        for entry in pending.values():
            groups[entry.group].pending.append(entry)
        for offset, key, data in journal:
            if offset in pending:
                groups[pending[offset].group].journal.append((offset, key, data))
        return groups

    @staticmethod
    def _collect(
        body: bytes, barrier: Barrier, pending: dict[int, Pending], groups: dict[int, Group]
    ) -> None:
        """Add the outputs of an outbox record that were not emitted at the barrier."""
        shard, sequence, record = frames.unpack_record(body)
        if sequence <= barrier.emitted.get(shard, 0):
            return
        outputs = decode_outputs(record)
        owned = iter(outputs.groups)
        for number, values in outputs.each():
            if is_owned(number):
                groups[next(owned)].answered += map(bytes, values)
            elif (entry := pending.pop(number, None)) is not None:
                groups[entry.group].answered += map(bytes, values)

    def _pull_all(self, number: int) -> list[tuple[bytes, bytes]] | None:
        """All parts of a checkpoint; None if the launcher died meanwhile."""
        found: list[tuple[bytes, bytes]] = []
        while True:
            parts = self._pull(number)
            if parts is None:
                return None
            found += parts
            if parts[-1][0] == b"e":
                assert parts[-1][1] == b""
                return found

    def _pull(self, number: int) -> list[tuple[bytes, bytes]] | None:
        life = self.lives
        self._parts = []
        self.send(b"P", struct.pack("<Q", number))
        while not self._parts:
            self.listen(1)
            if self.failed or self.lives != life:
                return None
        return self._parts

    # -- the end ------------------------------------------------------------------------------

    def workers(self) -> list[psutil.Process]:
        """The pool's workers."""
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
            return [child for child in children if child.name().startswith("tamias worker")]
        except psutil.NoSuchProcess:
            return []

    def kill_launcher(self) -> None:
        """SIGKILL; one that is dead is not killed again."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)

    def close(self, *, by_force: bool = False) -> None:
        """End the pool, and delete its state."""
        if by_force:
            self.kill_launcher()
        self._close_pipes()
        self.process.wait()
        self._claim.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def _close_pipes(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue


class Job:
    """A source that can be rewound, tasks side by side, and a sink that counts at checkpoints."""

    def __init__(self, folder: Path, inputs: list[tuple[str, bytes]], **job: Any) -> None:
        self.folder = folder
        self.inputs = inputs
        self.settings = job
        self.checkpoint = Checkpoint()
        self.position = 0
        self.committed: list[bytes] = []
        self.tasks: list[Task] = []
        self.number = 0
        self.built_upon = 0
        """How often a task wrote only what had changed."""
        self._attempts = 0

    def start(self, parallelism: int) -> None:
        """Begin from the last complete checkpoint."""
        self._attempts += 1
        self.position = self.checkpoint.position
        self.tasks = []
        for subtask in range(parallelism):
            first = (subtask * GROUPS + parallelism - 1) // parallelism
            last = ((subtask + 1) * GROUPS - 1) // parallelism
            home = self.folder / f"tamias-pool-{self._attempts}-{subtask}"
            groups = range(first, last + 1)
            first = self.checkpoint.base + subtask
            task = Task(home, groups, self.settings, step=parallelism, first=first)
            task.start(
                (self.checkpoint.groups.get(group, Group()) for group in groups),
                self.checkpoint.waiting,
            )
            self.tasks.append(task)

    def feed(self, count: int) -> None:
        """Send so many inputs."""
        for key, payload in self.inputs[self.position : self.position + count]:
            group = crc32(key.encode()) % GROUPS
            next(task for task in self.tasks if group in task.groups).input(key, payload)
        self.position = min(len(self.inputs), self.position + count)

    def listen(self) -> None:
        """Take in what the pools say; the job is restored if one of them cannot go on."""
        for task in self.tasks:
            task.listen()
        if any(task.failed for task in self.tasks):
            self.fail(len(self.tasks))

    def take_checkpoint(self, during: Any = None) -> bool:
        """Take one; `during` is called between the barrier and the reading. Whether it is complete.

        Outputs that were emitted before the barrier count from now on.
        """
        self.number += 1
        number = self.number
        barriers = [(task, task.barrier(number)) for task in self.tasks]
        self.built_upon += sum(barrier.changed is not None for _, barrier in barriers)
        before = [(task, len(task.emitted)) for task in self.tasks]
        lives = {task: task.lives for task in self.tasks}
        base = max(task.next for task in self.tasks)
        position = self.position
        if during is not None:
            during()
        groups: dict[int, Group] = {}
        read = []
        for task, barrier in barriers:
            found = task.read_out(number, barrier)
            if found is None:
                return False
            groups |= found
            read.append((task, found))
        for task, found in read:
            if task.lives == lives[task]:
                task.base = found
        for task, count in before:
            self.committed += task.emitted[:count]
            del task.emitted[:count]
        waiting = [part for task in self.tasks for part in task.waiting]
        self.checkpoint = Checkpoint(position, base, groups, waiting)
        return True

    def fail(self, parallelism: int) -> None:
        """Everything dies, with its local disk; begin from the last checkpoint."""
        for task in self.tasks:
            task.close(by_force=True)
        self.start(parallelism)

    def finish(self) -> None:
        """Send the rest, wait for all outcomes, and commit."""
        complete = False
        while not complete:
            self.feed(len(self.inputs))
            self.listen()
            at_end = self.position == len(self.inputs)  # a restore may have gone back
            if not at_end or any(task.pending for task in self.tasks):
                continue
            for task in self.tasks:
                if not task.is_ending:
                    task.end_input()
            if all(task.is_finished for task in self.tasks):
                complete = self.take_checkpoint()
        for task in self.tasks:
            assert task.emitted == []
            task.close()

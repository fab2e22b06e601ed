"""Journal, outbox and dead letters against plain dicts, through reopening and death in commits."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.processes import COUNTER, commit_until_killed
from support.profiles import examples
from tamias.store.records.dead_letters import DeadLetter
from tamias.store.records.journal import ACTION, CALL, JournalEntry, journal_key
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard

pytestmark = pytest.mark.process


offsets = st.sampled_from([0, 1, 2, 255, 256, 2**32, 2**64 - 1])
blobs = st.sampled_from([b"", b"x", b"y" * 5000]) | st.binary(max_size=20)


@st.composite
def entries(draw: st.DrawFn) -> JournalEntry:
    kind = draw(st.sampled_from([CALL, ACTION]))
    index = draw(st.sampled_from([0, 1, 300])) if kind == CALL else 0
    return JournalEntry(
        draw(offsets), draw(st.sampled_from([0, 1, 70000])), kind, index, draw(blobs)
    )


@st.composite
def letters(draw: st.DrawFn) -> DeadLetter:
    return DeadLetter(
        offset=draw(offsets),
        key=draw(st.binary(max_size=5)),
        payload=draw(blobs),
        codec=draw(st.sampled_from(["json", "pickle"])),
        cause=draw(st.sampled_from(["exception", "crash", "timeout", "memory", "bad-input"])),
        attempts=draw(st.integers(1, 9)),
        error=draw(st.text(max_size=10)),
        traceback="a\nb\n",
        action=draw(st.none() | st.just("act")),
        signal=draw(st.none() | st.just(11)),
        at=1.5,
    )


@dataclass
class Step:
    """What one batch is made of; `trim` counts back from the last sequence number."""

    journal: list[JournalEntry] = field(default_factory=list)
    taken_back: list[JournalEntry] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    outbox: bytes | None = None
    trim: int | None = None
    dead: list[DeadLetter] = field(default_factory=list)
    revived: list[int] = field(default_factory=list)


steps = st.builds(
    Step,
    journal=st.lists(entries(), max_size=6),
    taken_back=st.lists(entries(), max_size=2),
    finished=st.lists(offsets, max_size=3),
    outbox=st.none() | blobs,
    trim=st.none() | st.integers(-3, 5),
    dead=st.lists(letters(), max_size=2, unique_by=lambda letter: letter.offset),
    revived=st.lists(offsets, max_size=2),
)


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="log-"))
        self.journal: dict[tuple[int, int, int, int], bytes] = {}
        self.outbox: dict[int, bytes] = {}
        self.sequence = 0
        self.dead: dict[int, DeadLetter] = {}

    @initialize()
    def open(self) -> None:
        self.shard = Shard.acquire(self.directory, 0, wait=0)

    def teardown(self) -> None:
        self.shard.close()
        shutil.rmtree(self.directory)

    def batch(self, step: Step, sequence: int) -> Batch:
        """Build a batch; `sequence` is the last sequence number before it."""
        batch = Batch()
        for entry in step.journal:
            batch.journal.append((entry.key, entry.data))
        for entry in step.taken_back:
            batch.journal.append((entry.key, None))
        batch.finished += step.finished
        batch.outbox = step.outbox
        batch.trim = None if step.trim is None else sequence - step.trim
        batch.dead += step.dead
        batch.retried += step.revived
        return batch

    def apply(self, step: Step) -> None:
        for entry in step.journal:
            self.journal[entry.offset, entry.action, entry.kind, entry.index] = entry.data
        for entry in step.taken_back:
            self.journal.pop((entry.offset, entry.action, entry.kind, entry.index), None)
        self.journal = {
            address: data
            for address, data in self.journal.items()
            if address[0] not in step.finished
        }
        if step.trim is not None:
            last = self.sequence - step.trim
            self.outbox = {number: data for number, data in self.outbox.items() if number > last}
        if step.outbox is not None:
            self.sequence += 1
            self.outbox[self.sequence] = step.outbox
        for offset in step.revived:
            self.dead.pop(offset, None)
        for letter in step.dead:
            self.dead[letter.offset] = letter

    @rule(step=steps)
    def commit(self, step: Step) -> None:
        sequence = self.shard.commit(self.batch(step, self.sequence))
        self.apply(step)
        assert sequence == (None if step.outbox is None else self.sequence)

    @rule()
    def empty_the_outbox(self) -> None:
        self.commit(Step(trim=0))
        assert self.shard.outbox() == []

    @rule()
    def reopen(self) -> None:
        self.shard.close()
        self.open()

    @rule(
        planned=st.lists(steps, min_size=2, max_size=6),
        commits=st.integers(0, 4),
        point=st.sampled_from([None, None, "commit.before", "commit.inside", "commit.after"]),
    )
    def crash(self, planned: list[Step], commits: int, point: str | None) -> None:
        commits = min(commits, len(planned) - 1)
        self.shard.close()
        batches = []
        sequence = self.sequence
        for step in planned:
            batches.append(self.batch(step, sequence))
            sequence += step.outbox is not None
        commit_until_killed(self.directory, batches, commits=commits, point=point)
        self.open()
        survived = int(self.shard.field(COUNTER, "n") or b"0")
        if point is None:
            assert commits <= survived <= len(batches)
        else:
            assert survived == commits + (point == "commit.after")
        for step in planned[:survived]:
            self.apply(step)
        batch = Batch()
        batch.put_field(COUNTER, "n", None)
        self.shard.commit(batch)

    @invariant()
    def everything_is_as_in_the_model(self) -> None:
        expected: dict[int, list[JournalEntry]] = {}
        for address in sorted(self.journal):
            entry = JournalEntry(*address, self.journal[address])
            expected.setdefault(entry.offset, []).append(entry)
            assert entry.key == journal_key(*address)
        journal = self.shard.journal()
        assert journal == expected
        assert list(journal) == sorted(journal)
        assert self.shard.outbox() == sorted(self.outbox.items())
        assert self.shard.next_sequence == self.sequence + 1
        assert self.shard.dead_letters() == [self.dead[offset] for offset in sorted(self.dead)]


LogMachine.TestCase.settings = settings(max_examples=examples(16), stateful_step_count=20)
TestLog = pytest.mark.process(LogMachine.TestCase)

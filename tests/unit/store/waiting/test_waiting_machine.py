"""What waits in a shard, against a model: any changes in any order, lost commits, reopening."""

from __future__ import annotations

import copy
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.profiles import examples
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.records.offsets import RunKind, derived_number, owned_number
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.shard.transfer import add_entry, entries_of
from tamias.store.waiting.checking import problem_in
from tamias.store.waiting.records import NEVER, OwnedRun, QuestionRecord, microseconds

# Keys that begin with one another, that are as long as the store takes them, and that are hashed.
NAMES: list[Any] = ["a", "a\x00", "aa", "", b"a", 1, "k" * 199, "k" * 200, "é" * 500]
KEYS = [encode_key(key) for key in NAMES]
IDS = ["x", "", "y\x00", "\ud800", "i" * 200]
MOMENTS = [NEVER, 1e-9, 5.0, 5.0000001, 1.7e9, 1.7e9 + 0.1]
LATE = 1 << 62

keys = st.sampled_from(KEYS)
moments = st.sampled_from(MOMENTS)
some = st.integers(0, 1 << 16)


@dataclass
class Entry:
    """A run, as the model has it."""

    run: OwnedRun
    timer_id: str = ""
    queued: bool = False
    woken: bool = False


@dataclass
class Model:
    """What the tables have to say."""

    runs: dict[int, Entry] = field(default_factory=dict)
    queues: dict[bytes, list[int]] = field(default_factory=dict)
    timers: dict[tuple[bytes, str], int] = field(default_factory=dict)
    questions: dict[str, QuestionRecord] = field(default_factory=dict)
    ends: dict[bytes, int] = field(default_factory=dict)

    def put(self, number: int, run: OwnedRun, *, queued: bool, timer_id: str) -> None:
        before = self.runs.get(number)
        entry = Entry(run, timer_id, queued or (before is not None and before.queued))
        if entry.queued and (before is None or not before.queued):
            self.queues.setdefault(run.key, []).append(number)
        self.runs[number] = entry
        if timer_id:
            self.timers[run.key, timer_id] = number

    def remove(self, number: int) -> None:
        entry = self.runs.pop(number, None)
        if entry is None:
            return
        if entry.queued:
            self.queues[entry.run.key].remove(number)
        if self.timers.get((entry.run.key, entry.timer_id)) == number:
            del self.timers[entry.run.key, entry.timer_id]

    def is_due(self, number: int, until: int) -> bool:
        entry = self.runs[number]
        run = entry.run
        by_clock = run.due != NEVER and microseconds(run.due) <= until
        if not entry.queued:
            return by_clock
        if run.begun:
            return by_clock or entry.woken
        return self.queues[run.key][0] == number

    def due(self, until: int) -> set[int]:
        return {number for number in self.runs if self.is_due(number, until)}


class WaitingMachine(RuleBasedStateMachine):
    """Changes join a batch; the invariants hold after each commit."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="waiting-"))
        self.model = Model()
        self.numbers = 0

    @initialize()
    def open(self) -> None:
        self.shard = Shard.acquire(self.directory, 0, wait=0)
        self.begin()

    def begin(self) -> None:
        self.committed = copy.deepcopy(self.model)
        self.batch = Batch()

    def teardown(self) -> None:
        self.shard.close()
        shutil.rmtree(self.directory)

    @property
    def changes(self) -> Any:
        return self.batch.changes_of_waiting()

    def put(self, number: int, run: OwnedRun, *, queued: bool = False, timer_id: str = "") -> None:
        self.changes.put(number, run.encode(), queued=queued, timer_id=timer_id)
        self.model.put(number, run, queued=queued, timer_id=timer_id)

    def new_number(self) -> int:
        self.numbers += 1
        return owned_number(self.numbers)

    def one_of(self, chosen: int) -> int | None:
        numbers = sorted(self.model.runs)
        return numbers[chosen % len(numbers)] if numbers else None

    # -- what a worker does ---------------------------------------------------------------------

    @rule(key=keys, due=moments)
    def suspend_an_input(self, key: bytes, due: float) -> None:
        run = OwnedRun(RunKind.INPUT, key, b"p", begun=True, due=due, attempts=2)
        self.put(self.new_number(), run, queued=True)

    @rule(key=keys)
    def store_an_input_behind(self, key: bytes) -> None:
        self.put(self.new_number(), OwnedRun(RunKind.INPUT, key, b"p"), queued=True)

    @rule(chosen=some, due=moments)
    def suspend_anew(self, chosen: int, due: float) -> None:
        number = self.one_of(chosen)
        if number is not None:
            run = self.model.runs[number].run
            again = OwnedRun(run.kind, run.key, run.payload, begun=True, due=due, id=run.id)
            self.put(number, again, queued=True)

    @rule(key=keys, timer_id=st.sampled_from(IDS), due=moments)
    def set_a_timer(self, key: bytes, timer_id: str, due: float) -> None:
        self.numbers += 1
        number = derived_number(RunKind.TIMER, key, self.numbers)
        due = 7.0 if due == NEVER else due
        self.put(number, OwnedRun(RunKind.TIMER, key, due=due, id=timer_id), timer_id=timer_id)

    @rule(chosen=some)
    def queue_a_timer(self, chosen: int) -> None:
        timers = [n for n, e in self.model.runs.items() if e.run.kind == RunKind.TIMER]
        if timers:
            number = timers[chosen % len(timers)]
            self.put(number, self.model.runs[number].run, queued=True)

    @rule(chosen=some)
    def remove(self, chosen: int) -> None:
        number = self.one_of(chosen)
        if number is not None:
            self.changes.remove(number, self.model.runs[number].timer_id)
            self.model.remove(number)

    @rule(key=keys)
    def finish_the_first(self, key: bytes) -> None:
        if self.model.queues.get(key):
            number = self.model.queues[key][0]
            self.changes.remove(number, self.model.runs[number].timer_id)
            self.model.remove(number)

    @rule()
    def remove_what_is_gone(self) -> None:
        self.changes.remove(self.new_number(), "x")

    @rule(chosen=some)
    def wake(self, chosen: int) -> None:
        number = self.one_of(chosen)
        if number is not None:
            self.changes.wake(number)
            self.model.runs[number].woken = self.model.runs[number].run.begun
        self.changes.wake(self.new_number())

    @rule(key=keys, name=st.sampled_from("abc"), form=st.sampled_from("oaxcr"))
    def change_a_question(self, key: bytes, name: str, form: str) -> None:
        record = self.model.questions.get(name) or QuestionRecord(1, key, name, b"?", 1.0, 2.0)
        if form == "a":
            record = record.answered(b"!", "json", "ann", 3.0, "r")
        elif form == "c":
            record = record.without_values()
        elif form == "x":
            record = QuestionRecord(1, key, name, b"?", 1.0, 2.0, expired=True)
        if form == "r":
            self.model.questions.pop(name, None)
        else:
            self.model.questions[name] = record
        self.changes.put_question(name, None if form == "r" else record.encode())

    @rule(key=keys, wanted=st.booleans())
    def want_the_end(self, key: bytes, wanted: bool) -> None:  # noqa: FBT001 (drawn)
        if wanted:
            self.numbers += 1
            number = derived_number(RunKind.END, key, self.numbers)
            self.model.ends[key] = number
            self.changes.put_end(key_prefix(key), number.to_bytes(8, "big") + key)
        else:
            self.model.ends.pop(key, None)
            self.changes.put_end(key_prefix(key), None)

    # -- commits and lives ----------------------------------------------------------------------

    @rule()
    def commit(self) -> None:
        self.shard.commit(self.batch)
        self.begin()

    @rule()
    def lose_what_is_not_committed(self) -> None:
        self.shard.close()
        self.model = self.committed
        self.open()

    @rule()
    def move_to_another_store(self) -> None:
        self.commit()
        entries = list(entries_of(self.shard.reader.view()))
        assert {entry.run_key for entry in entries} <= set(KEYS)
        # A worker leaves no name of a run that has ended; the rules above do.
        timers = self.model.timers
        self.model.timers = {name: n for name, n in timers.items() if n in self.model.runs}
        self.shard.close()
        shutil.rmtree(self.directory)
        self.directory = Path(tempfile.mkdtemp(prefix="waiting-"))
        self.open()
        for entry in entries:
            add_entry(self.batch, entry)
        self.commit()

    @rule(until=st.sampled_from([0, 1, 10, 5_000_000, 5_000_001, LATE]), known=st.sets(some))
    def ask_what_is_due(self, until: int, known: set[int]) -> None:
        known = {number for number in map(self.one_of, known) if number is not None}
        expected = self.committed.due(until)
        waking = {n for n, e in self.committed.runs.items() if e.queued or e.woken}
        found = self.shard.read_waiting(lambda view: list(view.due(until, known)))
        if until <= 10:  # tickets are small numbers, and not all of them are reached yet
            assert {due.number for due in found} <= expected | waking
        else:
            assert {due.number for due in found} == expected - known
        for due in found:
            assert due.key == self.committed.runs[due.number].run.key
        assert [due.moment for due in found] == sorted(due.moment for due in found)

    # -- what must hold -------------------------------------------------------------------------

    @invariant()
    def runs_are_as_they_were_put(self) -> None:
        model = self.committed

        def check(view: Any) -> None:
            assert {number for number, _ in view.all_owned()} == model.runs.keys()
            for number, entry in model.runs.items():
                assert view.owned(number) == entry.run
                assert view.is_owned(number)
                assert bool(view.owned(number).ticket) == entry.queued

        self.shard.read_waiting(check)

    @invariant()
    def the_check_of_doctor_finds_nothing(self) -> None:
        assert self.shard.read_waiting(lambda view: problem_in(view, 0, 1)) == ""

    @invariant()
    def queues_are_in_order(self) -> None:
        model = self.committed

        def check(view: Any) -> None:
            found: dict[bytes, list[int]] = {}
            for stored, number in view.queue():
                run = view.owned(int.from_bytes(number, "big"))
                assert stored == key_prefix(run.key) + run.ticket.to_bytes(8, "big")
                found.setdefault(run.key, []).append(int.from_bytes(number, "big"))
            assert found == {key: queue for key, queue in model.queues.items() if queue}
            assert view.has_queues == bool(found)
            for key in KEYS:
                queue = model.queues.get(key)
                assert view.first_in_queue(key) == (queue[0] if queue else None)

        self.shard.read_waiting(check)

    @invariant()
    def what_must_go_on_is_due_and_nothing_else(self) -> None:
        found = self.shard.read_waiting(lambda view: list(view.due(LATE)))
        assert {due.number for due in found} == self.committed.due(LATE)
        assert len({due.number for due in found}) == len(found)

    @invariant()
    def the_next_moment_is_known(self) -> None:
        found = self.shard.read_waiting(lambda view: [due.moment for due in view.due(LATE)])
        assert self.shard.read_waiting(lambda view: view.next_due()) == min(found, default=None)
        for after in (1, 5_000_000, LATE - 1):
            following = self.shard.read_waiting(lambda view: view.next_due(after))  # noqa: B023 (called here)
            assert following is None or following > after
            later = [moment for moment in found if moment > after]
            assert not later or (following is not None and following <= min(later))

    @invariant()
    def counters_agree(self) -> None:
        entries = self.committed.runs.values()
        counts = self.shard.read_waiting(lambda view: view.counts())
        assert counts.runs == sum(entry.run.begun for entry in entries)
        waits = [entry for entry in entries if not entry.run.begun]
        timers = [e for e in waits if e.run.kind == RunKind.TIMER and not e.queued]
        assert counts.timers == len(timers)
        assert counts.inputs == len(waits) - len(timers)
        assert counts.questions == sum(
            not (q.closed or q.expired) for q in self.committed.questions.values()
        )

    @invariant()
    def timers_questions_and_ends_are_found(self) -> None:
        model = self.committed

        def check(view: Any) -> None:
            for key in KEYS:
                for timer_id in filter(None, IDS):
                    assert view.timer(key, timer_id) == model.timers.get((key, timer_id))
                assert view.end(key) == model.ends.get(key)
            assert sorted(view.ends()) == sorted((n, key) for key, n in model.ends.items())
            assert dict(view.questions()) == model.questions

        self.shard.read_waiting(check)


TestWaiting = WaitingMachine.TestCase
TestWaiting.settings = settings(max_examples=examples(60), stateful_step_count=40)

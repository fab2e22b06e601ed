"""Judges a history: does it keep the promises 1 to 8 of the design?

Pure: a `History` in, violations out. Each rule names what it found, so that it can be looked up in
the saved history. What cannot be told from the history is not guessed at: where two outcomes are
both right (which code made an output, in which order two clients were served) the rule is about
what must hold either way.

The chains do most of the work. An output tells the count and the link of its key right after its
run, and a link is a digest of all inputs that were done on the key before, in order. So if the
counts of a key's outputs are 1 to n, each with the link that follows from the one before, and the
final memory is the last of them, then every one of these inputs had its effect on the memory once,
and at the place in the order where its output says.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from support.chaos.history import Tick
from support.chaos.kinds import BAD_CODE, CALLS, IN_DIARY, IN_TURN, POISONS, link_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from support.chaos.history import Answer, Call, History, Letter, Run

PROMISES = {
    1: "order, one run at a time",
    2: "exactly once",
    3: "durable calls",
    4: "survival",
    5: "isolation",
    6: "no leftovers",
    7: "bounds",
    8: "waiting",
}


class Violation(NamedTuple):
    """A promise that was not kept."""

    promise: int
    text: str


def judge(history: History) -> list[Violation]:
    """All violations, by promise."""
    case = _Case(history)
    rules = {
        1: [*case.order(), *case.one_at_a_time()],
        2: [*case.once(), *case.chains()],
        3: list(case.durable_calls()),
        4: list(case.survival()),
        5: list(case.isolation()),
        6: [left.what for left in history.leftovers],
        7: list(case.bounded()),
        8: [*case.timers(), *case.questions()],
    }
    return [Violation(promise, text) for promise, texts in rules.items() for text in texts]


class _Case:
    """A history with what the rules need to look up in it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.inputs = {submitted.i: submitted for submitted in history.submitted}
        self.place: dict[int, int] = {}
        """Each input's place among those of its producer."""
        counts: Counter[str] = Counter()
        for submitted in history.submitted:
            self.place[submitted.i] = counts[submitted.producer]
            counts[submitted.producer] += 1
        self.dead = {letter.i: letter for letter in history.letters}
        self.answers: dict[int, list[Answer]] = defaultdict(list)
        for answer in history.answers:
            self.answers[answer.i].append(answer)
        self.calls: dict[tuple[int, str], list[Call]] = defaultdict(list)
        for call in sorted(history.calls, key=lambda call: call.at):
            self.calls[call.i, call.name].append(call)

    # -- 1 ------------------------------------------------------------------------------------

    def order(self) -> Iterator[str]:
        """Outputs stand in the order of the inputs, by key and producer."""
        last: dict[tuple[str, str], Answer] = {}
        counted: dict[tuple[str, str], Answer] = {}
        seen: set[int] = set()
        for answer in self.history.answers:
            if answer.i not in self.inputs or answer.i in seen:
                continue  # see `once`
            seen.add(answer.i)
            series = (answer.producer, answer.key)
            before = last.get(series)
            if before is not None and self.place[before.i] > self.place[answer.i]:
                yield f"the output of {answer.i} stands behind that of {before.i}"
            last[series] = answer
        for answer in sorted(self.history.answers, key=lambda answer: self.place.get(answer.i, 0)):
            series = (answer.producer, answer.key)
            before = counted.get(series)
            if before is not None and before.value["count"] > answer.value["count"]:
                yield f"input {answer.i} was run before input {before.i}"
            counted[series] = answer

    def one_at_a_time(self) -> Iterator[str]:
        """A key's runs do not overlap, and no process goes back to an earlier one."""
        by_key: dict[str, list[Run]] = defaultdict(list)
        for run in sorted(self.history.runs, key=lambda run: run.at):
            by_key[run.key].append(run)
        for runs in by_key.values():
            yield from self._one_at_a_time(runs)

    def _one_at_a_time(self, runs: list[Run]) -> Iterator[str]:
        under_way: Run | None = None
        owner = 0
        furthest: dict[str, int] = {}
        for run in runs:
            if run.mark == "E":
                if under_way is None or (under_way.i, under_way.pid) != (run.i, run.pid):
                    yield f"input {run.i} was still run by process {run.pid} when another had begun"
                under_way = None
                continue
            if run.pid != owner:
                owner, under_way = run.pid, None  # whatever the other one did has died with it
                furthest.clear()
            elif under_way is not None and under_way.i != run.i and under_way.i not in self.dead:
                yield f"input {run.i} began in process {run.pid} while {under_way.i} was run"
            submitted = self.inputs.get(run.i)
            if submitted is None:
                yield f"input {run.i} was run, and never submitted"
                continue
            place = self.place[run.i]
            if furthest.get(submitted.producer, -1) > place:
                yield f"process {run.pid} went back to input {run.i}"
            furthest[submitted.producer] = place
            under_way = run

    # -- 2 ------------------------------------------------------------------------------------

    def once(self) -> Iterator[str]:
        """Each input has one output or is set aside, and nothing else has an output."""
        for i in self.inputs:
            found = self.answers.get(i, [])
            if i in self.dead:
                if found:
                    yield f"input {i} has an output, and is set aside as well"
            elif not found:
                yield f"input {i} has neither an output nor a dead letter"
            elif any(answer != found[0] for answer in found[1:]):
                yield f"input {i} has several outputs"
        for i in [*self.answers.keys() - self.inputs, *self.dead.keys() - self.inputs]:
            yield f"input {i} was never submitted, and came out"
        if len(self.dead) != len(self.history.letters):
            yield "an input has two dead letters"
        for refusal in self.history.refusals:
            letter = self.dead.get(refusal.i)
            if letter is None or letter.cause != refusal.cause:
                yield f"a client was told that input {refusal.i} failed: {refusal.error}"

    def chains(self) -> Iterator[str]:
        """The outputs of a key follow from one another, and its memory from the last of them."""
        by_key: dict[str, dict[int, Answer]] = defaultdict(dict)
        for answer in self.history.answers:
            by_key[answer.key][answer.value["count"]] = answer
        memory = {
            memory.key: {name: value for name, value in memory.fields.items() if name != "ticks"}
            for memory in self.history.memory
        }
        for key, answers in by_key.items():
            link, tokens = "", None
            diary: list[list[Any]] = []
            found: list[int] = []
            for count in range(1, len(answers) + 1):
                if count not in answers:
                    yield f"key {key} has {len(answers)} outputs, and none with count {count}"
                    break
                answer = answers[count]
                link = link_after(link, answer.i)
                if answer.value["link"] != link:
                    yield f"the output of {answer.i} (key {key}) does not follow from those before"
                    break
                tokens = answer.value["tokens"] or tokens
                found = answer.value.get("found", [])
                if "found" in answer.value:
                    if found != [last for last, _ in diary[-1:]]:
                        yield f"input {answer.i} (key {key}) has found {found} in {diary}"
                    diary = [*diary, [answer.i, link]][-IN_DIARY:]
            else:
                expected = {"count": len(answers), "link": link}
                if tokens is not None:
                    expected["last"] = {"tokens": tokens}
                if diary:
                    expected.update(diary=diary, found=found)
                if memory.get(key) != expected:
                    yield f"key {key} has {memory.get(key)} in memory, and should have {expected}"
        for key in memory.keys() - by_key.keys():
            yield f"key {key} has memory, and no outputs"

    # -- 3 ------------------------------------------------------------------------------------

    def durable_calls(self) -> Iterator[str]:
        """Results on record are given again; calls are repeated by another process only."""
        for (i, name), calls in self.calls.items():
            pids = [call.pid for call in calls]
            if len(set(pids)) != len(pids):
                yield f"call {name} of input {i} was made again by the same process"
        for i, found in self.answers.items():
            submitted = self.inputs.get(i)
            if submitted is None:
                continue
            names = CALLS.get(submitted.kind, ())
            tokens = found[0].value["tokens"]
            if tokens.keys() != set(names):
                yield f"the output of {i} has results of {sorted(tokens)}, not of {list(names)}"
            for name, token in tokens.items():
                made = self.calls.get((i, name), [])
                if not made or made[-1].token != token:
                    yield f"call {name} of input {i} was made again after its result was recorded"
            if submitted.kind in IN_TURN:
                for first, second in pairwise(names):
                    earlier, later = self.calls[i, first], self.calls[i, second]
                    if earlier and later and earlier[-1].at > later[0].at:
                        yield f"call {first} of input {i} was made again though on record"

    # -- 4 ------------------------------------------------------------------------------------

    def survival(self) -> Iterator[str]:
        """A launcher ends when it is done or killed; the job gets to its end."""
        for life in self.history.lives:
            excused = life.killed or (life.gave_up and life.kills >= 5)
            if life.code not in (0, 3) and not excused:
                yield f"launcher {life.pid} ended with code {life.code}"
        if not self.history.lives or self.history.lives[-1].code not in (0, 3):
            yield "the job did not get to its end"

    # -- 5 ------------------------------------------------------------------------------------

    def isolation(self) -> Iterator[str]:
        """Poisons are set aside with their causes, and nobody else."""
        hit = {fault.pid for fault in self.history.faults}
        for i, letter in self.dead.items():
            submitted = self.inputs.get(i)
            if submitted is None or _of_bad_code(letter):
                continue
            expected = POISONS.get(submitted.kind)
            if expected is None:
                yield f"input {i} ({submitted.kind}) is set aside: {letter.cause}, {letter.error}"
            elif letter.cause != expected and not (
                letter.cause == "crash" and letter.worker in hit
            ):
                yield f"input {i} ({submitted.kind}) is set aside for {letter.cause}"
        for i, submitted in self.inputs.items():
            if submitted.kind in POISONS and i not in self.dead:
                yield f"input {i} ({submitted.kind}) is not set aside"
        for answer in self.history.answers:
            if answer.value["version"] < 0:
                yield f"the output of {answer.i} was made by bad code"
        for operation in self.history.operations:
            if operation.bad and operation.outcome == "promoted":
                yield f"bad code was promoted ({operation.kind})"

    # -- 7 ------------------------------------------------------------------------------------

    def bounded(self) -> Iterator[str]:
        """Launchers stay small, and so do their queues."""
        for bounds in self.history.bounds:
            for name in ("rss", "in_flight"):
                values = [getattr(sample, name) for sample in self.history.samples]
                most, bound = max(values, default=0), getattr(bounds, name)
                if most > bound:
                    yield f"{name} was up to {most}, and should be at most {bound}"
            workers: dict[int, int] = {}  # the most so far, for each launcher
            for sample in self.history.samples:
                most = max(bounds.workers, sample.workers, workers.get(sample.pid, 0))
                workers[sample.pid] = most
                bound = bounds.held * most // bounds.workers
                if sample.held > bound:
                    yield f"held was {sample.held}, and should be at most {bound}"

    # -- 8 ------------------------------------------------------------------------------------

    def timers(self) -> Iterator[str]:
        """A timer comes once unless it was cancelled, not early, and what cancels it says so."""
        by_key: dict[str, list[Answer | Tick]] = defaultdict(list)
        items: list[Answer | Tick] = [*self.history.answers, *self.history.ticks]
        for item in sorted(items, key=lambda item: item.place):
            by_key[item.key].append(item)
        counts = {memory.key: memory.fields.get("ticks", 0) for memory in self.history.memory}
        for key, own in by_key.items():
            ticks = [item for item in own if isinstance(item, Tick)]
            if [tick.number for tick in ticks] != list(range(1, counts.get(key, 0) + 1)):
                yield f"key {key} counts {counts.get(key, 0)} timers, and has outputs of {ticks}"
            yield from (f"the timer of {t.i} came {t.early} s early" for t in ticks if t.early)
            if not self.history.lost_ticks:
                yield from self._cancelled(key, own)
        for letter in self.history.lost_ticks:
            if not _of_bad_code(letter):
                yield f"a timer is set aside: {letter.cause}, {letter.error}"

    def _cancelled(self, key: str, items: list[Answer | Tick]) -> Iterator[str]:
        set_by: int | None = None
        for item in items:
            if isinstance(item, Tick):
                if item.i != set_by:
                    yield f"the timer of {item.i} (key {key}) came, which was over or cancelled"
                set_by = None
                continue
            submitted = self.inputs.get(item.i)
            if submitted is not None and submitted.kind in {"async-timer", "async-cancel"}:
                if item.value["waited"] != (set_by is not None):
                    yield f"input {item.i} has cancelled: {item.value['waited']}, of {set_by}"
                set_by = item.i if submitted.kind == "async-timer" else None
        if set_by is not None:
            yield f"the timer of {set_by} has not come"

    def questions(self) -> Iterator[str]:
        """A question is asked once, and one answer to it counts."""
        asked = Counter(question.i for question in self.history.questions)
        if len({question.token for question in self.history.questions}) < asked.total():
            yield "a question came out twice"
        given = {answer.i: answer.value.get("waited") for answer in self.history.answers}
        for i, submitted in self.inputs.items():
            if submitted.kind == "async-ask" and i in given and asked[i] != 1:
                yield f"input {i} has asked {asked[i]} times"
            if submitted.kind == "async-late" and given.get(i, "late") != "late":
                yield f"input {i} has got {given[i]}"
        for question in self.history.questions:
            answer = given.get(question.i) if question.i is not None else None
            expected = [] if question.i is None else [answer]
            if question.accepted and question.accepted != expected:
                yield f"input {question.i} has got {answer}; accepted was {question.accepted}"
            if answer is not None and answer not in question.sent:
                yield f"input {question.i} has got {answer}, which nobody has sent"


def _of_bad_code(letter: Letter) -> bool:
    """Whether only code that was rolled back can have set it aside."""
    return letter.cause == "exception" and BAD_CODE in letter.error


def by_bad_code(letters: Iterable[Letter]) -> int:
    """How many of the letters are those of bad code, before it was rolled back."""
    return sum(map(_of_bad_code, letters))

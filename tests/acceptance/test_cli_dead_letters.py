"""Dead letters, retried: each exactly once, whoever is killed on the way."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder, wait_for
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from pathlib import Path

RUN = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "--workers", "2")
STATE = "out.jsonl.tamias"
RETRY = ("dead-letters", "retry", STATE)
BAD = [7, 40, 41, 42, 90]
TOTAL = 100


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A job of 100 inputs of four keys, five of which are in the dead letters."""
    folder = Folder(tmp_path)
    _run(folder)
    return folder


def _run(folder: Folder, *flags: str) -> None:
    values = ["raise" if number in BAD else number for number in range(TOTAL)]
    folder.inputs(values, keys=4)
    folder.tamias(*RUN, *flags, code=3)
    assert [letter["offset"] for letter in folder.dead_letters()] == BAD


def _check_all_done(folder: Folder) -> None:
    """Every input has had its effect once, also those that were retried."""
    lines = folder.lines()
    assert sorted(line["offset"] for line in lines) == list(range(TOTAL))
    assert folder.dead_letters() == []
    for key in range(4):
        counts = [line["output"][1] for line in lines if line["key"] == f"k{key}"]
        assert counts == list(range(1, TOTAL // 4 + 1))
        assert folder.memory(f"k{key}")["n"] == TOTAL // 4


def test_what_succeeds_is_appended_and_what_fails_stays(folder: Folder) -> None:
    before = (folder.path / "out.jsonl").read_text()
    done = folder.tamias(*RETRY, 40, 7, code=3)
    assert "0 of 2" in done.stderr
    assert (folder.path / "out.jsonl").read_text() == before
    retries = {letter["offset"]: letter["retries"] for letter in folder.dead_letters()}
    assert retries == {7: 1, 40: 1, 41: 0, 42: 0, 90: 0}

    folder.write("repaired", "")
    folder.tamias(*RETRY, 41)
    after = (folder.path / "out.jsonl").read_text()
    assert after.startswith(before)
    assert json.loads(after[len(before) :]) == {"key": "k1", "output": [5, 25], "offset": 41}
    assert [letter["offset"] for letter in folder.dead_letters()] == [7, 40, 42, 90]

    done = folder.tamias(*RETRY, "--all", "--json")
    report = json.loads(done.stdout)
    assert report["revived"] == [7, 40, 42, 90]
    assert report["failed"] == []
    _check_all_done(folder)
    assert "no dead letters" in folder.tamias(*RETRY, "--all").stderr


def test_in_an_ordered_job_retried_outputs_come_last(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    _run(folder, "--ordered")
    folder.write("repaired", "")
    folder.tamias(*RETRY, "--all")
    good = [number for number in range(TOTAL) if number not in BAD]
    offsets = [line["offset"] for line in folder.lines()]
    assert offsets[: len(good)] == good
    assert sorted(offsets[len(good) :]) == BAD
    # The job goes on as before when its input grows.
    folder.inputs([*("raise" if n in BAD else n for n in range(TOTAL)), 1, 2, 3], keys=4)
    folder.tamias(*RUN, "--ordered")
    assert [line["offset"] for line in folder.lines()][-3:] == [100, 101, 102]


def test_an_interrupted_job_can_have_its_letters_retried_first(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    # Far enough apart for the letter to be committed before the worker's loop is blocked.
    folder.inputs([1, "raise", *range(20_000), "wait", *range(1000)], keys=3)
    with folder.started(*RUN) as process:
        wait_for((folder.path / "waiting").exists)
        wait_for(lambda: len(folder.dead_letters()) == 1)
        process.kill()
        process.wait()
    folder.write("repaired", "")
    folder.write("go", "")
    folder.tamias(*RETRY, "--all")
    folder.tamias("resume", STATE)
    assert sorted(line["offset"] for line in folder.lines()) == list(range(21_003))
    assert folder.memory("k1")["n"] == 7001


def test_letters_of_a_running_job_are_retried_by_its_workers(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.inputs(["raise", 1, "raise", "wait"], keys=4)
    with folder.started(*RUN, "--set", "sync-in-threads=true") as process:
        wait_for((folder.path / "waiting").exists)
        wait_for(lambda: len(folder.dead_letters()) == 2)
        assert "0 of 1" in folder.tamias(*RETRY, 2, code=3).stderr
        folder.write("repaired", "")
        done = folder.tamias(*RETRY, "--all", "--json")
        assert json.loads(done.stdout)["revived"] == [0, 2]
        assert "2 of 2 retried inputs went through" in done.stderr
        assert folder.dead_letters() == []
        folder.write("go", "")
        assert process.wait(60) == 0
    assert sorted(line["offset"] for line in folder.lines()) == [0, 1, 2, 3]


def test_a_policy_to_ignore_loses_no_dead_letter(folder: Folder) -> None:
    folder.tamias(*RUN, "--on-error", "ignore", code=3)
    folder.tamias(*RETRY, "--all", code=3)
    assert [letter["offset"] for letter in folder.dead_letters()] == BAD


def test_malformed_inputs_are_not_run(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("in.jsonl", '{"key": "a", "value": 1}\nnot json\n')
    folder.tamias(*RUN, code=3)
    done = folder.tamias(*RETRY, "--all", code=3)
    assert "1 malformed" in done.stderr
    assert len(folder.dead_letters()) == 1
    told = folder.tamias("dead-letters", "list", "out.jsonl.tamias").stderr
    assert "These cannot be run: repair the lines" in told
    assert "retry" not in told


def test_an_input_that_kills_its_worker_again_stays(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.inputs([1, "crash", 2, "raise", 3], keys=1)
    folder.tamias(*RUN, code=3)
    folder.tamias(*RETRY, "--all", code=3)
    letters = {letter["offset"]: letter for letter in folder.dead_letters()}
    assert {offset: letter["cause"] for offset, letter in letters.items()} == {
        1: "crash",
        3: "exception",
    }
    assert {letter["retries"] for letter in letters.values()} == {1}
    folder.write("repaired", "")
    folder.tamias(*RETRY, "--all")
    assert sorted(line["offset"] for line in folder.lines()) == [0, 1, 2, 3, 4]


def test_which_letters_must_be_said_rightly(folder: Folder) -> None:
    assert "--all" in folder.tamias(*RETRY, code=2).stderr
    assert "--all" in folder.tamias(*RETRY, 7, "--all", code=2).stderr
    assert "no dead letter of input 8" in folder.tamias(*RETRY, 7, 8, code=2).stderr
    shown = folder.tamias("dead-letters", "show", STATE, 8, code=2)
    assert "no dead letter of input 8" in shown.stderr


AGAIN = (*RETRY, "--all")
OTHERWISE = ("resume", STATE)
OF_WORKERS = ("commit.before", "commit.inside", "commit.after", "send.before", "send.after")
OF_THE_LAUNCHER = (
    *("sink.write.before", "sink.write.after", "checkpoint.before", "checkpoint.after"),
    *("progress.before", "progress.after"),
)
KILLS = [
    *((point, count, AGAIN) for point in OF_WORKERS for count in (1, 2)),
    *((point, count, AGAIN) for point in OF_THE_LAUNCHER for count in (1, 2)),
    *((point, 2 if "progress" in point else 1, OTHERWISE) for point in OF_THE_LAUNCHER),
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """As `folder`, once for many tests; repaired."""
    folder = Folder(tmp_path_factory.mktemp("template"))
    _run(folder)
    folder.write("repaired", "")
    shutil.copytree(folder.path / STATE, folder.path / "state.copy")
    shutil.copy(folder.path / "out.jsonl", folder.path / "out.copy")
    return folder


def _renew(folder: Folder) -> None:
    shutil.rmtree(folder.path / STATE)
    shutil.copytree(folder.path / "state.copy", folder.path / STATE)
    shutil.copy(folder.path / "out.copy", folder.path / "out.jsonl")


@pytest.mark.parametrize(("point", "count", "then"), KILLS)
def test_a_kill_at_any_point_of_a_retry(
    template: Folder, point: str, count: int, then: tuple[str, ...]
) -> None:
    _renew(template)
    flag = template.write("flag", "")
    # Whoever comes to the point first is killed: a worker, which is replaced, or the launcher.
    template.tamias(*AGAIN, code=None, TAMIAS_CRASH=f"{point}:{count}:{flag}")
    assert count > 1 or not flag.exists()
    # Then the job is carried on, in the same way or another.
    if then != AGAIN:
        template.tamias(*then, code=None)
    template.tamias(*AGAIN)
    with StoreReader(template.path / STATE) as reader:
        assert reader.dead_letters() == []
        memory = [reader.memory(f"k{key}") for key in range(4)]
    assert [fields and fields["n"] for fields in memory] == [TOTAL // 4] * 4
    lines = template.lines()
    assert sorted(line["offset"] for line in lines) == list(range(TOTAL))


TIMERS = """
from pathlib import Path

from tamias import Agent, EndOfInputEvent, Event, InputEvent, OutputEvent, action


class Later(Event):
    number: int


class Timers(Agent):
    @action(InputEvent)
    @staticmethod
    def set(event, ctx):
        ctx.schedule(after=0, event=Later(number=event.input))

    @action(Later, EndOfInputEvent)
    @staticmethod
    def arrive(event, ctx):
        if not Path("repaired").exists():
            raise (ValueError if hasattr(event, "number") else KeyError)("this is trouble")
        ctx.send_event(OutputEvent(output=getattr(event, "number", "end")))
"""


def test_timers_and_ends_of_the_input_are_retried_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("timers.py", TIMERS)
    folder.write("in.jsonl", '{"key": "a", "value": 5}\n')
    done = folder.tamias("run", "timers.py:Timers", "-i", "in.jsonl", "-o", "out.jsonl", code=3)
    assert "failed: 1 input, 2 failures" in done.stderr
    assert "1 failed, first input 0: ValueError: this is trouble" in done.stderr
    assert "1 failed: KeyError: 'this is trouble'" in done.stderr
    letters = sorted(folder.dead_letters(), key=lambda letter: letter["offset"])
    assert [(letter["of"], letter["origin"]) for letter in letters] == [("timer", 0), ("end", None)]
    timer, end = (letter["offset"] for letter in letters)
    listed = folder.tamias("dead-letters", "list", STATE).stdout
    assert "timer of input 0: ValueError: this is trouble" in listed
    assert "end of the input: KeyError" in listed
    shown = folder.tamias("dead-letters", "show", STATE, timer).stdout
    assert f"timer      {timer} (timer of input 0)" in shown
    assert '{"number":5}' in shown
    again = folder.tamias(*RETRY, timer, code=3)
    assert "0 of 1" in again.stderr
    assert [letter["offset"] for letter in folder.dead_letters()] == [timer, end]

    folder.write("repaired", "")
    assert "2 of 2" in folder.tamias(*RETRY, "--all").stderr
    assert folder.dead_letters() == []
    lines = [(line["output"], line["offset"]) for line in folder.lines()]
    assert sorted(lines, key=str) == [("end", None), (5, 0)]
    folder.tamias("resume", STATE)
    assert len(folder.lines()) == 2

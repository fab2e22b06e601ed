"""State that the version before the move has written, carried on with by this one.

Each archive was left by a kill, with runs under way, calls on record and outputs on their way. What
is in memory, events, calls and outputs names public classes by the modules where they used to be.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from support.cli import PATIENCE, wait_for
from support.launcher.old_state import Left
from tamias import Client, SubmissionFailedError

if TYPE_CHECKING:
    from pathlib import Path

STATE = "out.jsonl.tamias"
RUN = (
    *("run", "remembering.py:Remembering", "-i", "in.jsonl", "-o", "out.jsonl"),
    *("--workers", 2, "--set", "shards=2"),
)
RESUME = ("resume", STATE)
RETRY = ("dead-letters", "retry", STATE, "--all")
INPUTS = 80
TROUBLE = {13: "exception", 39: "crash", 40: "bad-input"}
SAID = 8
"""So many things are said in an output where nothing in memory is strange."""
PROGRAMS = {
    "program": ("-c", "import remembering; remembering.main()"),
    "main_program": ("remembering.py",),
}


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path / "left", "run")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, left_input: str) -> Left:
    folder = Left(tmp_path_factory.mktemp("undisturbed"))
    folder.write("in.jsonl", left_input)
    folder.open_the_gates()
    folder.tamias(*RUN, code=3)
    assert {len(line["output"]["said"]) for line in folder.lines()} == {SAID}
    return folder


@pytest.fixture(scope="module")
def left_input(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = Left(tmp_path_factory.mktemp("input"), "run")
    return (folder.path / "in.jsonl").read_text(encoding="utf-8")


def causes(folder: Left, state: str = STATE) -> dict[int, str]:
    return {letter["offset"]: letter["cause"] for letter in folder.dead_letters(state)}


# -- a job ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [RESUME, RUN])
def test_a_job_ends_with_the_lines_of_an_undisturbed_one(
    left: Left, undisturbed: Left, command: tuple[object, ...]
) -> None:
    left.open_the_gates()
    left.tamias(*command, code=3)
    assert left.by_offset() == undisturbed.by_offset()
    assert causes(left) == causes(undisturbed) == TROUBLE


def test_no_call_on_record_is_made_again(left: Left, undisturbed: Left) -> None:
    before = left.calls()
    assert before
    assert set(before.values()) == {1}
    left.open_the_gates()
    left.tamias(*RESUME, code=3)
    # The crash in the undisturbed life had calls of others made again that were under way.
    assert set(left.calls()) == set(undisturbed.calls())
    assert set(left.calls().values()) == {1}


def test_what_was_on_its_way_is_delivered_before_anything_is_run(left: Left) -> None:
    before = len((left.path / "out.jsonl").read_text(encoding="utf-8").splitlines()) - 1
    report = json.loads(left.tamias("inspect", STATE, "--json").stdout)
    assert report["unfinished"] == 4
    assert report["outbox_records"] > 0
    assert before < INPUTS
    with left.started(*RESUME) as process:  # the gates are still shut
        wait_for(lambda: process.poll() is not None or len(_whole_lines(left)) >= before + 2)
        assert process.poll() is None
    assert {47, 48} <= {line["offset"] for line in _whole_lines(left)}


def _whole_lines(left: Left) -> list[dict[str, Any]]:
    text = (left.path / "out.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def test_state_that_nobody_has_gone_on_with_can_be_looked_at(left: Left) -> None:
    assert "Everything is in order" in left.tamias("doctor", STATE).stderr
    memory = left.memory("k1")
    assert memory["made"]["Document"]["content"] == "text"
    assert memory["made"]["Row"]["said"]["role"] == "tool"
    assert memory["deep"]["down"]["nested"]["of"][0]["content"] == "deep"


# -- dead letters ---------------------------------------------------------------------------------


def test_dead_letters_are_listed_and_shown(left: Left) -> None:
    assert causes(left) == TROUBLE
    shown = left.tamias("dead-letters", "show", STATE, 13).stdout
    assert "ValueError: this is trouble" in shown
    assert "in begin" in shown
    assert '"kind":"raise"' in shown.replace(" ", "")


@pytest.mark.parametrize("commands", [(RETRY, RESUME), (RESUME, RETRY)])
def test_dead_letters_are_retried(left: Left, commands: tuple[tuple[object, ...], ...]) -> None:
    left.repair()
    left.open_the_gates()
    for command in commands:
        left.tamias(*command, code=3)
    lines = left.by_offset()
    assert [line["offset"] for line in lines] == [n for n in range(INPUTS) if n != 40]
    assert {len(line["output"]["said"]) for line in lines} == {SAID}
    assert causes(left) == {40: "bad-input"}
    for key in {json.dumps(line["key"]) for line in lines}:
        counts = [line["output"]["count"] for line in lines if json.dumps(line["key"]) == key]
        assert sorted(counts) == list(range(1, len(counts) + 1))
    assert set(left.calls().values()) == {1}


# -- programs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_carries_on(tmp_path: Path, name: str) -> None:
    left, other = Left(tmp_path / "left", name), Left(tmp_path / "other")
    here = {"python": list(sys.version_info[:2]), "pydantic": version("pydantic")}
    if name == "main_program" and left.read("made_with.json") != here:
        pytest.skip("the classes of `__main__` are on record as compiled code of other versions")
    assert causes(left, "state") == {9: "exception"}
    for folder in (left, other):
        folder.open_the_gates()
        subprocess.run(
            [sys.executable, *PROGRAMS[name]], cwd=folder.path, check=True, timeout=PATIENCE
        )
    assert left.read("out.json") == other.read("out.json")
    assert left.read("out.json")["mine"]
    assert left.calls() == other.calls()
    assert set(left.calls().values()) == {1}
    show = ("dead-letters", "show", "state", 9)
    assert '"said":{"role":"user"' in left.tamias(*show, PYTHONPATH=str(left.path)).stdout


# -- a service ------------------------------------------------------------------------------------


def test_a_service_answers_from_its_request_log_and_goes_on(tmp_path: Path) -> None:
    left = Left(tmp_path / "left", "service")
    answers = left.read("answers.json")
    kinds = ["plain"] * 4 + ["raise"] + ["plain"] * 6 + ["first", "second", "plain"]
    inputs = [(f"k{n % 4}", {"n": n, "kind": kind}) for n, kind in enumerate(kinds, 1)]
    with left.started(
        *("serve", "remembering.py:Remembering", "--state", "state", "--json", "--workers", 2),
        *("--set", "service-retention=36500d"),
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "ready"
        with Client(left.path / "state", client_id="patient") as client:
            assert client.recorded == 14
            assert client.acknowledged == 2
            done = client.submit_many(inputs)
            for submission, answer in zip(done[2:11], answers[2:], strict=True):
                if submission.sequence == 5:
                    with pytest.raises(SubmissionFailedError, match="this is trouble") as raised:
                        submission.result(PATIENCE)
                    assert [raised.value.cause, str(raised.value)] == answer
                else:
                    assert submission.result(PATIENCE) == answer
            for submission in done[:2]:
                with pytest.raises(SubmissionFailedError) as raised:
                    submission.result(PATIENCE)
                assert raised.value.cause == "forgotten"
            assert not done[12].done()
            left.open_the_gates()
            for submission in done[11:]:
                (output,) = submission.result(PATIENCE)
                assert output["n"] == submission.sequence
                assert len(output["said"]) == SAID
            assert client.submit("k0", {"n": 15, "kind": "plain"}).result(PATIENCE)[0]["n"] == 15
    assert set(left.calls().values()) == {1}

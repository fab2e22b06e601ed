"""`tamias debug`: one recorded run again, on a copy, with its calls answered from record."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.launcher import debugged_agents
from tamias import ResourceType, UsageError, run_agent
from tamias.console.debugging.session import ENDED, FAILED, SUCCEEDED, Request, debug
from tamias.store.records.offsets import kind_of
from tamias.store.state.reader import StoreReader
from tamias.testing import Clock, ScriptedChatModel, asks_for_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tamias import Agent

INPUTS = [("ada", 1), ("bob", 2), ("ada", 3), ("ada", 4)]


@pytest.fixture(autouse=True)
def _forget_calls() -> Iterator[None]:
    hook = sys.breakpointhook
    yield
    debugged_agents.made.clear()
    sys.breakpointhook = hook


def _job(
    state: Path,
    agent: Agent | type[Agent] = debugged_agents.Shop,
    inputs: Any = INPUTS,
    **settings: Any,
) -> None:
    config = {"max-attempts": 1, "shards": 2, **settings.pop("config", {})}
    run_agent(agent, inputs, state=state, on_error="dead-letter", config=config, **settings)
    debugged_agents.made.clear()


def _request(state: Path, offset: int, agent: str = "Shop", **more: Any) -> Request:
    target = f"{debugged_agents.__name__}:{agent}"
    return Request(str(state), offset, target, None, {}, **more)


@pytest.fixture
def session(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs a session with what is typed, and returns the exit code and what is printed."""

    def run(request: Request, typed: str = "") -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = debug(request, print)
        return code, capsys.readouterr().out

    return run


def _bytes_of(state: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(state)): path.read_bytes()
        for path in sorted(state.rglob("*"))
        if path.is_file()
    }


def test_it_stops_at_the_failing_line_with_the_state_that_it_had(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    state = tmp_path / "state"
    _job(state)
    before = _bytes_of(state)
    code, out = session(
        _request(state, 2),
        "p ('locals', event.rating, limit, price)\n"
        "p ('memory', ctx.short_term_memory.get('seen'), ctx.short_term_memory.get('last'))\n"
        "p ('key', ctx.key)\nq\n",
    )
    assert 'raise ValueError(f"no {price}")  # the failing line' in out
    assert "('locals', 30, 300, 300)" in out
    assert "('memory', 2, 3)" in out  # with what the run had written, and without later runs
    assert "('key', 'ada')" in out
    assert code == FAILED
    assert debugged_agents.made == []  # both calls were answered from record
    assert _bytes_of(state) == before


def test_it_says_what_later_runs_have_changed(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    _job(tmp_path / "state")
    _, out = session(_request(tmp_path / "state", 2, interactive=False))
    assert "memory: as it was before the run" in out
    assert "last: 1, now 4" in out
    assert "seen: 1, now 2" in out


def test_without_pdb_it_prints_the_local_variables(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    _job(tmp_path / "state")
    code, out = session(_request(tmp_path / "state", 2, interactive=False))
    assert code == FAILED
    assert re.search(r"debugged_agents.py\", line \d+, in second", out)
    assert "      limit = 300" in out
    assert "      price = 300" in out
    assert "memory at that moment: {'last': 3, 'seen': 2}" in out
    assert "_perform" not in out  # no frames of tamias


def test_what_a_dead_letter_did_not_keep_is_as_it_is_now(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    _job(tmp_path / "state", config={"dead-letter-record": 0})
    code, out = session(_request(tmp_path / "state", 2, interactive=False, calls="make"))
    assert code == FAILED
    assert "memory: as it is now (not on record); later runs of the key may have changed it" in out
    assert debugged_agents.made == [3, 30]
    assert "memory at that moment: {'last': 3, 'seen': 3}" in out


@pytest.mark.parametrize("name", ["first", "second"])
def test_it_stops_at_the_first_line_of_an_action(
    tmp_path: Path, session: Callable[..., tuple[int, str]], name: str
) -> None:
    _job(tmp_path / "state", config={"record": "all"})
    code, out = session(
        _request(tmp_path / "state", 3, break_at=name), "p ('event', event)\nn\nn\nc\n"
    )
    event = {"first": "InputEvent(input=4)", "second": "Rated(rating=40)"}[name]
    assert f"('event', {event})" in out
    assert re.search(rf"debugged_agents.py\(\d+\){name}\(\)", out)
    assert "the run has succeeded" in out
    assert "output: 400" in out
    assert code == SUCCEEDED


def test_steps_go_over_an_await(tmp_path: Path, session: Callable[..., tuple[int, str]]) -> None:
    _job(tmp_path / "state", config={"record": "all"})
    typed = "n\nn\nn\nn\np ('price', price)\nc\n"
    _, out = session(_request(tmp_path / "state", 3, break_at="second"), typed)
    assert "('price', 400)" in out


def test_quitting_at_a_breakpoint_ends_the_session(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    _job(tmp_path / "state", config={"record": "all"})
    code, out = session(_request(tmp_path / "state", 3, break_at="*"), "q\n")
    assert code == ENDED
    assert out.rstrip().endswith("ended")


def test_a_recorded_run_that_has_succeeded_says_what_it_has_done(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    _job(tmp_path / "state", config={"record": "bob"})
    code, out = session(_request(tmp_path / "state", 1, interactive=False))
    assert code == SUCCEEDED
    assert "recorded at" in out
    assert "output: 200" in out
    assert "memory: seen = 1" in out
    assert debugged_agents.made == []


def test_an_input_that_is_not_on_record_is_a_mistake(tmp_path: Path) -> None:
    _job(tmp_path / "state")
    with pytest.raises(UsageError, match="Neither a dead letter nor a recorded run is of input 1"):
        debug(_request(tmp_path / "state", 1), print)


@pytest.mark.parametrize(
    ("typed", "code", "text"),
    [
        ("m\nm\nq\n", FAILED, "ValueError: no 300"),
        ("v\n3\nv\n77\n", SUCCEEDED, "output: 77"),
        ("r\nKeyError('lost')\nq\n", FAILED, "KeyError: 'lost'"),
        ("r\n7\nv\n1/0\nv\nargs[0]\nv\n5\n", SUCCEEDED, "output: 5"),
        ("q\n", ENDED, "ended"),
        ("", ENDED, "ended"),
    ],
)
def test_calls_that_are_not_on_record_are_asked_about(
    tmp_path: Path,
    session: Callable[..., tuple[int, str]],
    typed: str,
    code: int,
    text: str,
) -> None:
    _job(tmp_path / "state", config={"dead-letter-record": 0})
    found, out = session(_request(tmp_path / "state", 2), typed)
    assert "not on record: the durable call" in out
    assert text in out
    assert found == code
    assert debugged_agents.made == ([3, 30] if typed.startswith("m") else [])


def test_calls_can_be_refused(tmp_path: Path, session: Callable[..., tuple[int, str]]) -> None:
    _job(tmp_path / "state", config={"dead-letter-record": 0})
    code, out = session(_request(tmp_path / "state", 2, interactive=False, calls="refuse"))
    assert code == FAILED
    assert "rate(3) is not on record, and was refused" in out
    assert debugged_agents.made == []


def test_waits_and_answers_are_as_on_record(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    state = tmp_path / "state"
    _job(state, debugged_agents.Waiting, [("ada", 7)], answers={"approval": "granted"})
    code, out = session(_request(state, 0, "Waiting", interactive=False))
    assert code == FAILED
    assert "ValueError: answered granted at" in out


def test_an_answer_that_is_not_on_record_is_asked_about(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    state = tmp_path / "state"
    config = {"dead-letter-record": 0}
    _job(state, debugged_agents.Waiting, [("ada", 7)], answers={"approval": 1}, config=config)
    code, out = session(_request(state, 0, "Waiting"), "v\n'later'\nq\n")
    assert code == FAILED
    assert "a wait of 3.6e+03 s is over at once" in out
    assert "an answer to ctx.wait_for('approval', ask={'amount': 7})" in out
    assert "ValueError: answered later at" in out


def test_the_run_of_a_timer_can_be_executed_again(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    state = tmp_path / "state"
    _job(state, debugged_agents.Reminding, [("ada", "tea")])
    with StoreReader(state) as reader:
        (letter,) = reader.dead_letters()
    assert kind_of(letter.offset) == 1
    code, out = session(_request(state, letter.offset, "Reminding"), "p ('e', event.text)\nq\n")
    assert code == FAILED
    assert "timer" in out
    assert "('e', 'tea')" in out
    assert "LookupError: nobody for tea of ada" in out


def test_memory_sets_are_there(tmp_path: Path, session: Callable[..., tuple[int, str]]) -> None:
    state = tmp_path / "state"
    inputs = [("ada", "one"), ("ada", "two"), ("bob", "three"), ("ada", "fail")]
    _job(state, debugged_agents.Remembering, inputs)
    before = _bytes_of(state)
    code, out = session(_request(state, 3, "Remembering", interactive=False))
    assert code == FAILED
    assert "ValueError: one and two" in out
    assert "memory sets: as they are now" in out
    assert _bytes_of(state) == before


def test_a_run_of_many_actions_can_be_executed_from_its_beginning(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    _job(tmp_path / "state")
    request = _request(tmp_path / "state", 2, all_actions=True, break_at="first")
    code, out = session(request, "p ('at', event.input)\nc\nq\n")
    assert "('at', 3)" in out
    assert "taken from the record" not in out
    assert code == FAILED


def test_calls_of_models_and_tools_are_answered_from_record(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    state = tmp_path / "state"
    model = ScriptedChatModel(asks_for_tool("weather", city="Rome"), "Take an umbrella.")
    replaced = {ResourceType.CHAT_MODEL_CONNECTION: {"service": model}}
    _job(state, debugged_agents.Assistant, [("ada", "Rome?")], replace=replaced)
    request = _request(state, 0, "Assistant", interactive=False, all_actions=True)
    code, out = session(request)
    assert code == FAILED
    assert "text = 'Take an umbrella.'" in out
    assert debugged_agents.made == []  # the tool was not called, and no network was needed


def test_the_calls_of_a_sub_agent_are_answered_from_record(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    state = tmp_path / "state"
    _job(state, debugged_agents.delegating, [("ada", "four")])
    code, out = session(_request(state, 0, "delegating", interactive=False))
    assert code == FAILED
    assert "ValueError: looked 40" in out
    assert debugged_agents.made == []


@pytest.mark.parametrize("kept", [True, False])
def test_a_key_with_many_fields_has_those_that_the_run_has_read(
    tmp_path: Path, session: Callable[..., tuple[int, str]], *, kept: bool
) -> None:
    state = tmp_path / "state"
    config = {} if kept else {"dead-letter-record": 0}
    inputs = [("ada", "old"), ("ada", "fail")]
    _job(state, debugged_agents.Wide, inputs, config=config)  # a life of its own: nothing is cached
    _job(state, debugged_agents.Wide, [*inputs, ("ada", "new")], config=config)
    code, out = session(_request(state, 1, "Wide", interactive=False))
    assert code == FAILED
    assert f"ValueError: {'old' if kept else 'new'} of 100" in out


def test_memory_that_has_expired_since_is_there(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    state = tmp_path / "state"
    _job(state, config={"short-term-memory.state-ttl.ms": 60_000})
    with Clock() as clock:
        clock.advance(3600)
        code, out = session(_request(state, 2, interactive=False))
    assert code == FAILED
    assert "seen: 1, now nothing" in out
    assert "memory at that moment: {'last': 3, 'seen': 2}" in out


def test_a_call_that_has_failed_raises_again_or_is_made_again(
    tmp_path: Path, session: Callable[..., tuple[int, str]]
) -> None:
    state = tmp_path / "state"
    _job(state, debugged_agents.Caller, [("ada", 3)])
    code, out = session(_request(state, 0, "Caller"), "p ('rating', rating)\nq\n")
    assert code == FAILED
    assert "unsteady (raised)" in out
    assert "the last one has raised: --repeat-failed has it made again" in out
    assert "('rating', 30)" in out
    assert debugged_agents.made == []
    request = _request(state, 0, "Caller", calls="make", repeats_failed=True)
    code, out = session(request, "p ('divisor', divisor)\nu\np ('rating', rating)\nq\n")
    assert code == FAILED
    assert "return 12 // divisor  # the failing call" in out
    assert "('divisor', 0)" in out
    assert debugged_agents.made == [3]

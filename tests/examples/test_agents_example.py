"""The examples of agents with models, beside the fake model."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.providers.of_examples import script
from support.providers.server import FakeProviders, fake_providers
from tamias import run_agent

if TYPE_CHECKING:
    from collections.abc import Iterator

TAMIAS = Path(sys.executable).with_name("tamias")
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "agents"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProviders]:
    """A fake model, where the examples look for one."""
    modules, path = set(sys.modules), list(sys.path)
    with fake_providers(script) as fake:
        monkeypatch.setenv("OPENAI_BASE_URL", fake.openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield fake
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(EXAMPLE) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def inputs(name: str) -> list[tuple[str, Any]]:
    """The inputs in a file of the example."""
    lines = (EXAMPLE / name).read_text(encoding="utf-8").splitlines()
    return [(line["key"], line["value"]) for line in map(json.loads, lines)]


def test_reviews_are_judged_and_shipping_is_told(fake: FakeProviders) -> None:
    run = run_agent(f"{EXAMPLE}/reviews.yaml", inputs("reviews.jsonl"))
    verdicts = [output for each in run.outputs for output in each.values()]
    assert [verdict.score for verdict in verdicts] == [5, 2, 2]
    assert verdicts[1].reasons == ["it was broken"]
    # Two keys, which may be with two workers: either may ask first.
    told = sorted(ask.results for ask in fake.asked if ask.results)
    assert told == [["noted for chair: it was late"], ["noted for vase: it was broken"]]


def test_answers_are_from_the_pages_that_were_found(fake: FakeProviders) -> None:
    run = run_agent(f"{EXAMPLE}/library.py:Library", inputs("questions.jsonl"))
    (kettle,), (warranty,) = (list(each.values()) for each in run.outputs)
    assert kettle["from"][0] == "kettle"
    assert "citric acid" in kettle["answer"]
    assert warranty["from"][0] == "warranty"
    assert "two years" in warranty["answer"]
    assert fake.asked


COMMANDS = [
    line.split()
    for line in (EXAMPLE / "README.md").read_text(encoding="utf-8").splitlines()
    if re.match(r" {4}python with_fake\.py tamias run", line)
]


@pytest.mark.nightly
@pytest.mark.process
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[4])
def test_the_documented_commands_work(command: list[str], tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / command[1]), str(TAMIAS), *command[3:]],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    waits = 4 if "desk.py:Desk" in command else 0
    assert done.returncode == waits, done.stderr
    written = tmp_path / "answers.jsonl"
    lines = (written.read_text() if written.exists() else done.stdout).splitlines()
    assert len(lines) >= 2
    assert any("output" in json.loads(line) for line in lines)


@pytest.mark.parametrize(("answer", "said"), [(True, "35.00 paid back"), (False, "not")])
def test_a_large_refund_is_made_if_a_person_approves_it(
    fake: FakeProviders, answer: object, said: str
) -> None:
    run = run_agent(
        f"{EXAMPLE}/desk.py:Desk", inputs("letters.jsonl"), answers={"approve refund": answer}
    )
    first, second = (output for each in run.outputs for output in each.values())
    assert said in first
    assert "a lamp, 60.00, delivered yesterday" in second
    assert fake.asked


def test_a_team_puts_together_what_its_members_find(fake: FakeProviders) -> None:
    run = run_agent(f"{EXAMPLE}/team.py:Editor", inputs("topics.jsonl"))
    for each in run.outputs:
        (text,) = each.values()
        assert text == (
            "The tea kettle is from China, and came to Europe with tea."
            " A kettle boils a litre of water in three minutes."
        )
    assert len(fake.asked) == 2 * (2 + 2 * 2)

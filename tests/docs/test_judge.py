"""The agent with a model in the README gives what it promises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.house.pages import blocks
from support.providers.script import Queue, Reply
from support.providers.server import fake_providers
from tamias import run_agent

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_judge_of_the_readme_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = [block.text for block in blocks("README.md") if block.file == "judge.py"]
    (tmp_path / "judge.py").write_text(text)
    verdict = {"score": 4, "reasons": ["it came in time"]}
    with fake_providers(Queue([Reply(json.dumps(verdict))])) as fake:
        monkeypatch.setenv("OPENAI_BASE_URL", fake.openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        run = run_agent(f"{tmp_path}/judge.py:Judge", [("ada", "It came in time.")])
    assert run.outputs == [{"ada": verdict}]
    assert "It came in time." in fake.asked[0].last

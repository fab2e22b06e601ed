"""An agent in a YAML file is served, and goes over to what has been edited there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.service.process import serving
from tamias import Client
from tamias.launcher.control.client import send_request

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
from tamias import OutputEvent

def answer(event, ctx):
    told = [ctx.action_config["word"], ctx.config.get_int("mine"), ctx.config.get_int("other")]
    ctx.send_event(OutputEvent(output=told))
"""


def document(word: str, mine: int) -> str:
    return f"""
config: {{reload-probation: 100ms, reload-canary: 0s, shards: 4, mine: {mine}, other: 1}}
agents:
  - name: answers
    actions:
      - name: answer
        function: answers:answer
        listen_to: [input]
        config: {{word: {word}}}
"""


def test_an_edit_of_the_file_takes_effect_with_a_reload(tmp_path: Path) -> None:
    (tmp_path / "answers.py").write_text(MODULE)
    (tmp_path / "agent.yaml").write_text(document("old", 1))
    with (
        serving(tmp_path, "--set", "other=2", target="agent.yaml") as service,
        Client(service.state) as client,
    ):
        assert client.submit("a", 1).result() == [["old", 1, 2]]
        service.folder.write("agent.yaml", document("new", 5))
        answer = send_request(service.state, "reload", {})
        assert (answer["generation"], answer["outcome"]) == (1, "promoted")
        assert client.submit("a", 1).result() == [["new", 5, 2]]
        service.end()

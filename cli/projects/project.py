"""The small project that `tamias new` makes: the files, as texts.

`PLACEHOLDER` stands for the name of the agent's class, `NAME` for that of the project.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ...agent.errors import UsageError
from .chat_template import chat_texts
from .yaml_template import yaml_texts

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

_AGENT: Final = '''"""NAME: adds up what each customer spends, and asks once for the rating."""

from tamias import Agent, InputEvent, OutputEvent, RunnerContext, action


def rating_of(customer: str) -> str:
    """Stands for a request to another service: replace it with one."""
    return "gold" if customer.startswith("a") else "standard"


class PLACEHOLDER(Agent):
    """Gets an amount for each order; its key is the customer."""

    @action(InputEvent)
    @staticmethod
    def add(event: InputEvent, ctx: RunnerContext) -> None:
        memory = ctx.short_term_memory  # that of this customer
        if not memory.is_exist("rating"):
            # On record before the action goes on: after a crash it is not asked again.
            memory.set("rating", ctx.durable_execute(rating_of, ctx.key))
        total = memory.get("total", 0) + event.input
        memory.set("total", total)
        ctx.send_event(OutputEvent(output={"total": total, "rating": memory.get("rating")}))
'''

_TEST: Final = '''"""Tests of the agent, which runs inside the test's own process."""

import agent
import pytest
from agent import PLACEHOLDER

from tamias import AgentFailedError, run_agent


def test_amounts_are_added_up_for_each_customer():
    run = run_agent(PLACEHOLDER, [("ada", 30), ("bob", 5), ("ada", 12)])
    assert run.outputs == [
        {"ada": {"total": 30, "rating": "gold"}},
        {"bob": {"total": 5, "rating": "standard"}},
        {"ada": {"total": 42, "rating": "gold"}},
    ]
    assert run.memory["ada"] == {"total": 42, "rating": "gold"}


def test_each_customer_is_rated_once(monkeypatch):
    asked = []

    def fake(customer):
        asked.append(customer)
        return "silver"

    monkeypatch.setattr(agent, "rating_of", fake)
    run = run_agent(PLACEHOLDER, [("ada", 1), ("ada", 2), ("ada", 3)])
    assert run.memory["ada"]["rating"] == "silver"
    assert asked == ["ada"]


def test_an_amount_that_is_no_number_fails():
    with pytest.raises(AgentFailedError, match="TypeError"):
        run_agent(PLACEHOLDER, [("ada", "much")])
'''

_INPUTS: Final = """{"key": "ada", "value": 30}
{"key": "bob", "value": 5}
{"key": "ada", "value": 12}
"""

_DEPLOYMENT: Final = """# tamias up deployment.yaml (--check: only say whether all is in order)
defaults:                             # settings of every agent
  workers: 2
agents:
  NAME:
    target: agent.py:PLACEHOLDER
    input: orders.jsonl
    output: totals.jsonl
    settings:
      max-attempts: 3                 # tries until an input is set aside as a dead letter
"""

_README: Final = """# NAME

An agent for [tamias](https://pypi.org/project/tamias/): it adds up what each customer spends.

| file | |
|---|---|
| `agent.py` | the agent |
| `test_agent.py` | its tests, which start no process |
| `orders.jsonl` | three inputs |
| `deployment.yaml` | how it is run |

```console
$ pip install tamias pytest
$ pytest                                    # the tests
$ tamias up deployment.yaml                 # runs it: orders.jsonl -> totals.jsonl
$ tamias inspect deployment.tamias/NAME --key ada
```

Add lines to `orders.jsonl` and run it again: only those are new, and the totals go on.
The same without a deployment file:

```console
$ tamias run agent.py:PLACEHOLDER --input orders.jsonl --output other.jsonl
```
"""

_IGNORE: Final = """*.tamias/
totals.jsonl
other.jsonl
__pycache__/
"""


TEMPLATES: Final[dict[str, Callable[[dict[str, str]], dict[str, str]]]] = {
    "orders": dict,
    "chat": chat_texts,
    "yaml": yaml_texts,
}
"""What makes the files of each template, from those of the first."""


def project(name: str, template: str = "orders") -> dict[str, str]:
    """Return the files of a project: the text of each, by name.

    Raises:
        UsageError: this is no name for a project, or there is no such template.
    """
    if template not in TEMPLATES:
        raise UsageError(
            f"There is no template {template!r}.", hint=f"There are: {', '.join(TEMPLATES)}."
        )
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a project.",
            hint="Use letters, digits, - and _; begin with a letter.",
        )
    agent = "".join(part[:1].upper() + part[1:] for part in re.split(r"[-_]+", name)) + "Agent"
    texts = {
        "agent.py": _AGENT,
        "test_agent.py": _TEST,
        "orders.jsonl": _INPUTS,
        "deployment.yaml": _DEPLOYMENT,
        "README.md": _README,
        ".gitignore": _IGNORE,
    }
    return {
        file: text.replace("PLACEHOLDER", agent).replace("NAME", name)
        for file, text in TEMPLATES[template](texts).items()
    }

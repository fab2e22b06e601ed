"""The template `yaml` of `tamias new`: the agent is a YAML file, and its functions are a module."""

from __future__ import annotations

from typing import Final

_AGENT: Final = """# yaml-language-server: $schema=agents.schema.json
#
# The whole format: https://pypi.org/project/tamias/, "agents in YAML".
agents:
  - name: NAME
    description: Adds up what each customer spends, and asks once for the rating.
    actions:
      - name: add
        function: orders:add
        listen_to: [input]
        config:
          currency: ${CURRENCY:-EUR}
"""

_ORDERS: Final = '''"""What agent.yaml names."""

from tamias import InputEvent, OutputEvent, RunnerContext


def rating_of(customer: str) -> str:
    """Stands for a request to another service: replace it with one."""
    return "gold" if customer.startswith("a") else "standard"


def add(event: InputEvent, ctx: RunnerContext) -> None:
    """Add the amount of an order to what the customer, who is the key, has spent."""
    memory = ctx.short_term_memory  # that of this customer
    if not memory.is_exist("rating"):
        # On record before the action goes on: after a crash it is not asked again.
        memory.set("rating", ctx.durable_execute(rating_of, ctx.key))
    total = memory.get("total", 0) + event.input
    memory.set("total", total)
    text = f"{total} {ctx.action_config['currency']}"
    ctx.send_event(OutputEvent(output={"total": text, "rating": memory.get("rating")}))
'''

_TEST: Final = '''"""Tests of the agent, which runs inside the test's own process."""

from pathlib import Path

from tamias import run_agent

AGENT = str(Path(__file__).parent / "agent.yaml")


def test_amounts_are_added_up_for_each_customer(monkeypatch):
    monkeypatch.setenv("CURRENCY", "USD")
    run = run_agent(AGENT, [("ada", 30), ("bob", 5), ("ada", 12)])
    assert run.outputs == [
        {"ada": {"total": "30 USD", "rating": "gold"}},
        {"bob": {"total": "5 USD", "rating": "standard"}},
        {"ada": {"total": "42 USD", "rating": "gold"}},
    ]
    assert run.memory["ada"] == {"total": 42, "rating": "gold"}
'''

_README: Final = """# NAME

An agent for [tamias](https://pypi.org/project/tamias/), in YAML: adds up what customers spend.

| file | |
|---|---|
| `agent.yaml` | the agent |
| `orders.py` | its functions |
| `agents.schema.json` | the format of `agent.yaml`, for editors |
| `test_agent.py` | its tests, which start no process |
| `orders.jsonl` | three inputs |
| `deployment.yaml` | how it is run |

```console
$ pip install tamias pytest
$ pytest                                    # the tests
$ tamias up deployment.yaml                 # runs it: orders.jsonl -> totals.jsonl
$ tamias run agent.yaml --input orders.jsonl --output other.jsonl
```
"""


def yaml_texts(common: dict[str, str]) -> dict[str, str]:
    """Return the files of the project, by name; `common` has those that other templates have."""
    from ...agent.yaml_agents.specs import json_schema  # noqa: PLC0415 (only this template)

    deployment = common["deployment.yaml"].replace("agent.py:PLACEHOLDER", "agent.yaml")
    return {
        "agent.yaml": _AGENT,
        "orders.py": _ORDERS,
        "test_agent.py": _TEST,
        "orders.jsonl": common["orders.jsonl"],
        "deployment.yaml": deployment,
        "agents.schema.json": json_schema(),
        "README.md": _README,
        ".gitignore": common[".gitignore"],
    }

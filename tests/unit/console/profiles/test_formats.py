"""Profiles in formats of other programs, and as a page."""

from __future__ import annotations

import json
import re
from typing import Any

from tamias.console.profiles.flame_graph import as_page
from tamias.console.profiles.formats import as_chrome, as_collapsed, as_speedscope
from tamias.worker.profiling.profile import Frame, Profile

ACTION, WORK, WAIT = Frame("action a"), Frame("work", "/x/agent.py", 3), Frame("wait;", "w.py", 1)
PROFILE = Profile({(ACTION, WORK): 2.0, (ACTION, WORK, WAIT): 1.0, (ACTION,): 0.5})


def data_of(page: str) -> Any:
    """The data that a page shows."""
    found = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_collapsed() -> None:
    assert as_collapsed(PROFILE) == (
        "action a;work (agent.py:3) 2000000\n"
        "action a;work (agent.py:3);wait, (w.py:1) 1000000\n"
        "action a 500000\n"
    )


def test_speedscope() -> None:
    found = json.loads(as_speedscope(PROFILE, "a job"))
    (profile,) = found["profiles"]
    frames = found["shared"]["frames"]
    named = {
        tuple(frames[number]["name"] for number in sample): weight
        for sample, weight in zip(profile["samples"], profile["weights"], strict=True)
    }
    assert named == {
        ("action a",): 0.5,
        ("action a", "work"): 2.0,
        ("action a", "work", "wait;"): 1.0,
    }
    assert profile["endValue"] == 3.5


def test_chrome() -> None:
    found = json.loads(as_chrome(PROFILE))
    nodes = {node["id"]: node for node in found["nodes"]}
    times: dict[str, int] = {}
    for sample, delta in zip(found["samples"], found["timeDeltas"], strict=True):
        times[nodes[sample]["callFrame"]["functionName"]] = delta
    assert times == {"action a": 500_000, "work": 2_000_000, "wait;": 1_000_000}
    inner = [child for node in nodes.values() for child in node["children"]]
    assert sorted([1, *inner]) == sorted(nodes)


def test_names_cannot_end_the_script_of_the_page() -> None:
    odd = Profile({(Frame("</script><script>alert(1)</script>", "<b>", 1),): 1.0})
    page = as_page(odd, "<i>title</i>")
    assert "<script>alert" not in page
    assert "<i>" not in page
    assert data_of(page)["root"][4][0][0].startswith("</script>")


def test_a_page_has_both_shares_and_asks_nothing_of_the_network() -> None:
    page = as_page(PROFILE, "now", Profile({(ACTION,): 1.0}))
    data = data_of(page)
    assert data["compares"] is True
    (action,) = data["root"][4]
    assert action[2:4] == [1, 1]
    assert action[4][0][2:4] == [round(3 / 3.5, 6), 0]
    assert "http" not in page

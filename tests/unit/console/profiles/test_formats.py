"""Profiles in formats of other programs, and as a page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

import pytest

from tamias.agent.errors import UsageError
from tamias.console.profiles.flame_graph import as_page
from tamias.console.profiles.formats import as_chrome, as_collapsed, as_speedscope
from tamias.console.profiles.writing import FORMATS, as_format, format_of
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


ODD = Profile({(): 0.25, (Frame("a;b\n c", "/x y/ü.py", 0),): 0.5, **PROFILE.seconds})
EMPTY = Profile()


@pytest.mark.parametrize("profile", [PROFILE, ODD, EMPTY])
@pytest.mark.parametrize("unit", ["s", "B"])
def test_speedscope_opens_it(profile: Profile, unit: Literal["s", "B"]) -> None:
    """What the format's description asks for (speedscope, `file-format-spec.ts`)."""
    found = json.loads(as_format("speedscope", profile, "a job", unit=unit))
    assert found["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    frames = found["shared"]["frames"]
    for frame in frames:
        assert set(frame) <= {"name", "file", "line", "col"}
        assert isinstance(frame["name"], str)
    (sampled,) = found["profiles"]
    assert 0 <= found["activeProfileIndex"] < len(found["profiles"])
    assert (sampled["type"], sampled["unit"]) == ("sampled", "seconds" if unit == "s" else "bytes")
    assert len(sampled["samples"]) == len(sampled["weights"]) == len(profile.seconds)
    assert all(0 <= number < len(frames) for sample in sampled["samples"] for number in sample)
    assert sum(sampled["weights"]) == sampled["endValue"] - sampled["startValue"]


@pytest.mark.parametrize("profile", [PROFILE, ODD, EMPTY])
def test_chromium_opens_it(profile: Profile) -> None:
    """What `Profiler.Profile` of the protocol of Chromium's developer tools asks for."""
    found = json.loads(as_format("chrome", profile, "a job"))
    numbers = [node["id"] for node in found["nodes"]]
    assert len(set(numbers)) == len(numbers)
    for node in found["nodes"]:
        assert set(node["children"]) <= set(numbers)
        assert set(node["callFrame"]) == {
            *("functionName", "scriptId", "url", "lineNumber", "columnNumber"),
        }
        assert node["callFrame"]["lineNumber"] >= 0
    assert set(found["samples"]) <= set(numbers)
    assert len(found["samples"]) == len(found["timeDeltas"])
    assert found["endTime"] - found["startTime"] == sum(found["timeDeltas"])
    with pytest.raises(UsageError, match="no sizes"):
        as_format("chrome", profile, "memory", unit="B")


@pytest.mark.parametrize("profile", [PROFILE, ODD, EMPTY])
def test_flame_graph_scripts_read_the_collapsed_stacks(profile: Profile) -> None:
    for line in as_format("collapsed", profile, "a job").splitlines():
        assert re.fullmatch(r"\S.* \d+", line), line


@pytest.mark.parametrize("name", FORMATS)
def test_a_profile_of_nothing_is_written_in_each_format(name: str) -> None:
    assert as_format(name, EMPTY, "a job") or name == "collapsed"


def test_the_ending_of_a_file_says_the_format() -> None:
    endings = {
        "a.html": "html",
        "a.cpuprofile": "chrome",
        "a.txt": "collapsed",
        "a.json": "speedscope",
        "a.HTML": "html",
        "a": "speedscope",
    }
    assert {name: format_of(None, Path(name)) for name in endings} == endings
    assert format_of("json", Path("a.html")) == "json"
    assert format_of(None, None) == "text"
    for name in ("a.svg", "agent.py"):
        with pytest.raises(UsageError, match=f"ending of {name} says no format"):
            format_of(None, Path(name))
    with pytest.raises(UsageError, match="pdf is unknown"):
        format_of("pdf", None)

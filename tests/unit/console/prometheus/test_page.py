"""The page: what the official parsers read from it is what the status had."""

from __future__ import annotations

import json
import math
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as read_text

from support.profiles import SHARED_FIXTURE, examples
from tamias.console.exporting.states import JobState, job_states
from tamias.console.prometheus.page import rendered
from tamias.store.lease import Lease

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
SERIES: list[dict[str, Any]] = [
    {
        "name": "tamias_inputs_total",
        "type": "counter",
        "help": "Inputs done.",
        "unit": "",
        "samples": [[{"worker": "0"}, 3], [{"worker": "1"}, 4]],
    },
    {
        "name": "tamias_worker_resident_bytes",
        "type": "gauge",
        "help": "Memory.",
        "unit": "bytes",
        "samples": [[{"worker": "0"}, 1e6], [{"worker": "1"}, None]],
    },
    {"name": "tamias_timers", "type": "gauge", "help": "", "unit": "", "samples": [[{}, 2]]},
    {
        "name": "tamias_commit_seconds",
        "type": "histogram",
        "help": 'With a "quote", a \\ and\na new line.',
        "unit": "seconds",
        "samples": [
            [
                {"action": "a"},
                {"count": 5, "sum": 0.5, "buckets": {"0.1": 2, "0.001": 1, "+Inf": 5}},
            ]
        ],
    },
]


def state(path: Path, series: Any, **more: Any) -> JobState:
    """A job at rest whose last status has such series."""
    path.mkdir(exist_ok=True)
    status = {"started": 1.0, "series": series, **more}
    (path / "status.json").write_text(json.dumps(status))
    return job_states([path])[0]


def samples(*jobs: JobState, accept: str = "") -> dict[tuple[str, frozenset[Any]], float]:
    """All samples of a page, as the official parser reads them."""
    page, _ = rendered(jobs, accept)
    read = read_openmetrics if accept else read_text
    found = {}
    for family in read(page.decode()):
        for each in family.samples:
            key = (each.name, frozenset(each.labels.items()))
            assert key not in found
            found[key] = each.value
    return found


def of(agent: str, **labels: str) -> frozenset[Any]:
    return frozenset({"agent": agent, **labels}.items())


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_a_page_has_what_the_status_has(tmp_path: Path, accept: str) -> None:
    job = state(tmp_path / "orders.tamias", SERIES)
    with closing(Lease.acquire(tmp_path / "orders.tamias" / "launcher.lock")):
        found = samples(job, accept=accept)
    assert found["tamias_up", of("orders")] == 1
    assert found["tamias_inputs_total", of("orders", worker="1")] == 4
    assert found["tamias_worker_resident_bytes", of("orders", worker="0")] == 1e6
    assert ("tamias_worker_resident_bytes", of("orders", worker="1")) not in found
    bucket = "tamias_commit_seconds_bucket"
    assert found[bucket, of("orders", action="a", le="0.001")] == 1
    assert found[bucket, of("orders", action="a", le="+Inf")] == 5
    assert found["tamias_commit_seconds_sum", of("orders", action="a")] == 0.5
    assert found["tamias_exporter_dropped_samples", of("orders")] == 0
    assert found["tamias_status_age_seconds", of("orders")] >= 0


def test_of_a_job_at_rest_nothing_is_shown_that_its_workers_have_no_more(tmp_path: Path) -> None:
    found = samples(state(tmp_path / "orders", SERIES))
    assert found["tamias_up", of("orders")] == 0
    assert found["tamias_inputs_total", of("orders", worker="0")] == 3
    assert found["tamias_timers", of("orders")] == 2
    assert ("tamias_worker_resident_bytes", of("orders", worker="0")) not in found


def test_several_jobs_are_on_one_page(tmp_path: Path) -> None:
    jobs = [state(tmp_path / f"{name}.tamias", SERIES) for name in ("a", "b")]
    for accept in ("", OPENMETRICS):
        found = samples(*jobs, accept=accept)
        for name in ("a", "b"):
            assert found["tamias_inputs_total", of(name, worker="0")] == 3
    page, _ = rendered(jobs)
    assert page.decode().count("# TYPE tamias_inputs_total counter") == 1


def test_jobs_with_the_same_name_are_told_apart(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    jobs = job_states([tmp_path / "a/jobs.tamias", tmp_path / "b/jobs.tamias"])
    assert len({job.agent for job in jobs}) == 2


def test_a_job_that_has_no_state_yet_does_not_run(tmp_path: Path) -> None:
    found = samples(*job_states([tmp_path / "soon.tamias"]))
    assert found == {
        ("tamias_up", of("soon")): 0,
        ("tamias_exporter_dropped_samples", of("soon")): 0,
    }


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b"\xff", b'{"series": [3]}', b'{"workers": 3}', b'{"measures": {"a": [[]]}}'],
)
def test_a_damaged_status_costs_only_itself(tmp_path: Path, content: bytes) -> None:
    job = state(tmp_path / "bad", [])
    (tmp_path / "bad/status.json").write_bytes(content)
    found = samples(job, state(tmp_path / "good", SERIES))
    assert found["tamias_up", of("bad")] == 0
    if b"measures" not in content:  # (what nothing reads)
        assert found["tamias_exporter_dropped_samples", of("bad")] == 1
    assert found["tamias_exporter_dropped_samples", of("good")] == 0
    assert found["tamias_inputs_total", of("good", worker="0")] == 3


def test_a_new_status_is_read(tmp_path: Path) -> None:
    job = state(tmp_path / "job", SERIES)
    assert samples(job)["tamias_timers", of("job")] == 2
    changed = [{**SERIES[2], "samples": [[{}, 12]]}]
    (tmp_path / "job/new").write_text(json.dumps({"series": changed}))
    os.replace(tmp_path / "job/new", tmp_path / "job/status.json")  # noqa: PTH105
    assert samples(job)["tamias_timers", of("job")] == 12


def test_samples_that_do_not_fit_are_left_out_and_counted(tmp_path: Path) -> None:
    def histogram(count: float, total: float, **buckets: Any) -> dict[str, Any]:
        named = {bound.replace("_", "."): number for bound, number in buckets.items()}
        return {"count": count, "sum": total, "buckets": named}

    series = [
        {"name": "a_total", "type": "counter", "samples": [[{}, -1], [{"x": "1"}, math.nan]]},
        {"name": "a_total", "type": "gauge", "samples": [[{}, 1]]},
        {"name": "h", "type": "histogram", "samples": [[{}, histogram(1, 1, _1=2)]]},
        {"name": "h_count", "type": "gauge", "samples": [[{}, 1]]},
        {"name": "tamias_up", "type": "gauge", "samples": [[{"agent": "job"}, 5]]},
        {"name": "tamias_up", "type": "counter", "samples": [[{}, 5]]},
        {"name": "s", "type": "summary", "samples": [[{}, 5]]},
        {"name": "g", "type": "gauge", "samples": [[{}, "many"], [{}, 1], [{}, 2], [3, 4]]},
    ]
    found = samples(state(tmp_path / "job", series))
    assert found["tamias_up", of("job")] == 0
    assert found["g", of("job")] == 1
    assert found["tamias_up", of("job", exported_agent="job")] == 5
    assert found["tamias_exporter_dropped_samples", of("job")] == 10


TEXTS = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["a", "le", "agent", "__name__", 'q"uo\\te\n', "\ud800", "é", "\x00", "\r\n", "a.b", "1", ""]
)
NAMES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["m", "m_seconds", "tamias_up", "m.n", "m-n", "é", "1", ""]) | TEXTS,
        st.sampled_from(["", "_total", "_count", "_sum", "_bucket", "_created", "_info", "_total"]),
    ),
)
NUMBERS = st.integers() | st.floats() | st.none() | st.booleans() | st.sampled_from([0, 1, 2**70])
SPREADS = st.fixed_dictionaries(
    {
        "count": st.integers(0, 5) | NUMBERS,
        "sum": st.floats(0, 100) | NUMBERS,
        "buckets": st.dictionaries(
            st.sampled_from(["0.1", "1", "1.0", "+Inf", "inf", "nan", "-1", "x", "1e300"]),
            st.integers(0, 5),
        ),
    }
)
FAMILIES = st.fixed_dictionaries(
    {
        "name": NAMES,
        "type": st.sampled_from(["counter", "gauge", "histogram", "info"]),
        "help": TEXTS,
        "unit": TEXTS | st.just("seconds"),
        "samples": st.lists(
            st.tuples(
                st.dictionaries(TEXTS, TEXTS | st.integers(), max_size=3), NUMBERS | SPREADS
            ).map(list),
            max_size=4,
        ),
    }
)


@given(series=st.lists(FAMILIES, max_size=6), name=TEXTS.map(lambda text: text.replace("/", "")))
@settings(max_examples=examples(100), suppress_health_check=SHARED_FIXTURE)
def test_the_official_parsers_accept_every_page(
    tmp_path: Path, series: list[Any], name: str
) -> None:
    jobs = [state(tmp_path / "job", series), state(tmp_path / "other", SERIES)]
    jobs[0].agent = name
    plain, openmetrics = samples(*jobs), samples(*jobs, accept=OPENMETRICS)
    assert plain.keys() == openmetrics.keys()
    for key, value in plain.items():
        if key[0] != "tamias_status_age_seconds":
            assert value == openmetrics[key] or math.isnan(value)
    assert plain["tamias_timers", of("other")] == 2

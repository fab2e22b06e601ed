"""The pool's series in Flink: counters that do not fall, statistics made of buckets."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.java.settings import needs_java
from tamias.bridge.jvm.compiling import SOURCES, compiled
from tamias.bridge.jvm.jars import flink_jar
from tamias.bridge.jvm.runtime import java
from tamias.bridge.task.series import flink_series

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_java

TRIAL = """
package tamias.flink;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import org.apache.flink.metrics.*;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** Takes a line of series after the other, and prints all metrics after each. */
public final class Trial {
    public static void main(String[] arguments) throws Exception {
        Kept kept = new Kept("", new HashMap());
        Series series = new Series(kept);
        ObjectMapper mapper = new ObjectMapper();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        String line = lines.readLine();
        while (line != null) {
            series.update((JsonNode) mapper.readTree(line));
            HashMap shown = new HashMap();
            Object[] names = kept.all.keySet().toArray();
            for (int i = 0; i < names.length; i++) {
                shown.put(names[i], Kept.shown(kept.all.get(names[i])));
            }
            System.out.println(mapper.writeValueAsString(shown));
            line = lines.readLine();
        }
    }

    /** A group that keeps what is registered. */
    static final class Kept extends UnregisteredMetricsGroup {
        final String prefix;
        final HashMap all;

        Kept(String prefix, HashMap all) {
            this.prefix = prefix;
            this.all = all;
        }

        public MetricGroup addGroup(String key, String value) {
            return new Kept(prefix + key + "=" + value + ".", all);
        }

        public Counter counter(String name, Counter counter) {
            all.put(prefix + name, counter);
            return counter;
        }

        public Gauge gauge(String name, Gauge gauge) {
            all.put(prefix + name, gauge);
            return gauge;
        }

        public Histogram histogram(String name, Histogram histogram) {
            all.put(prefix + name, histogram);
            return histogram;
        }

        static Object shown(Object metric) {
            if (metric instanceof Counter) {
                return Long.valueOf(((Counter) metric).getCount());
            }
            if (metric instanceof Gauge) {
                return ((Gauge) metric).getValue();
            }
            HistogramStatistics found = ((Histogram) metric).getStatistics();
            HashMap all = new HashMap();
            all.put("all", Long.valueOf(((Histogram) metric).getCount()));
            all.put("size", Integer.valueOf(found.size()));
            all.put("p50", Double.valueOf(found.getQuantile(0.5)));
            all.put("p99", Double.valueOf(found.getQuantile(0.99)));
            all.put("mean", Double.valueOf(found.getMean()));
            all.put("min", Long.valueOf(found.getMin()));
            all.put("max", Long.valueOf(found.getMax()));
            return all;
        }
    }
}
"""


@pytest.fixture(scope="module")
def jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trial with the two classes that it is of."""
    folder = tmp_path_factory.mktemp("sources")
    package = folder / "tamias/flink"
    package.mkdir(parents=True)
    for name in ("Series.java", "Spread.java"):
        shutil.copy(SOURCES / "tamias/flink" / name, package)
    (package / "Trial.java").write_text(TRIAL)
    return compiled("tamias/flink", [flink_jar("flink-dist")], folder)


def shown(jar: Path, *updates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What Flink has after each update."""
    lines = "".join(f"{json.dumps(flink_series(families))}\n" for families in updates)
    done = subprocess.run(
        [java(), "-cp", f"{flink_jar('flink-dist')}:{jar}", "tamias.flink.Trial"],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def family(name: str, kind: str, value: Any, unit: str = "", **labels: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "unit": unit, "samples": [[labels, value]]}


def commits(*counts: int) -> dict[str, Any]:
    total, buckets = 0, {}
    for bound, count in zip(("0.1", "0.2", "0.4"), counts, strict=False):
        total += count
        buckets[bound] = total
    total = sum(counts)
    return family(
        "commit_seconds",
        "histogram",
        {"count": total, "sum": 0.15 * total, "buckets": {**buckets, "+Inf": total}},
        "seconds",
    )


def test_flink_has_what_the_pool_has(jar: Path) -> None:
    first = [
        family("a_total", "counter", 5, worker="0"),
        family("s_seconds_total", "counter", 1.5, "seconds"),
        family("g", "gauge", 7, worker="0"),
        commits(0, 10, 0, 0),
    ]
    later = [
        family("a_total", "counter", 2, worker="0"),  # another launcher
        family("s_seconds_total", "counter", 0.5, "seconds"),
        commits(0, 0, 4, 0),
    ]
    one, two, three = shown(jar, first, later, first)
    assert one["worker=0.a_total"] == 5
    assert one["s_seconds_total"] == 1.5
    assert one["worker=0.g"] == 7
    spread = one["commit_milliseconds"]
    assert (spread["all"], spread["size"], spread["min"], spread["max"]) == (10, 10, 100, 200)
    assert (spread["p50"], spread["mean"]) == (150, pytest.approx(150))
    assert two["worker=0.a_total"] == 7
    assert two["s_seconds_total"] == 2.0
    assert two["worker=0.g"] == "NaN"
    assert two["commit_milliseconds"]["all"] == 14
    assert two["commit_milliseconds"]["max"] == 400
    assert three["worker=0.a_total"] == 10
    assert three["worker=0.g"] == 7


def test_statistics_are_of_the_last_minute_if_there_was_anything(jar: Path) -> None:
    updates = [[commits(1000, 0, 0, 0)]] * 60 + [[commits(1000, 0, 0, 2)]] * 60
    *_, last = shown(jar, *updates[:-30])
    assert last["commit_milliseconds"]["size"] == 2
    assert last["commit_milliseconds"]["p50"] == 400  # the last bound
    *_, last = shown(jar, *updates)
    assert last["commit_milliseconds"]["size"] == 1002

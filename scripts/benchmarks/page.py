"""docs/benchmarks.md and its pictures, made of the results that are kept beside them.

    scripts/bench --page        makes them again; --write keeps results and makes them

The results are docs/benchmarks/results.json. In the page, what is between `<!-- NAME -->` and
`<!-- end -->` is made of them; all else is written by hand.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Set  # noqa: PYI025 (of any set)
from pathlib import Path
from typing import Any

from peer_table import NOT_HERE, PEERS
from pictures import Bar, bars

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = DOCS / "benchmarks.md"
FOLDER = DOCS / "benchmarks"
RESULTS = FOLDER / "results.json"

Figures = list[dict[str, Any]]


def machine() -> dict[str, Any]:
    """What the figures are of."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def keep(
    section: str,
    figures: Figures,
    about: dict[str, Any],
    key: tuple[str, ...],
    known: Set[tuple[str, ...]],
) -> None:
    """Keep figures of a section, in place of those with the same key, and make the page.

    Dropped is what was measured on another machine, as figures of two machines say nothing
    together, and what has a key that is not `known` any more.
    """
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    here, load = machine(), round(os.getloadavg()[2], 1)
    last = results.get(section, {})
    old = last.get("figures", []) if last.get("machine") == here else []
    date = f"{dt.datetime.now(tz=dt.timezone.utc):%Y-%m-%d}"
    found = {}
    for figure in [*old, *({**figure, "date": date} for figure in figures)]:
        found[tuple(figure[part] for part in key)] = figure
    results[section] = {
        "machine": here,
        "about": {**about, "load_15min": load},
        "figures": [found[each] for each in found if each in known],
    }
    FOLDER.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    make()


def make() -> None:
    """Make the page and the pictures."""
    results = json.loads(RESULTS.read_text())
    for path, text in made(results, PAGE.read_text()).items():
        path.write_text(text)


def made(results: dict[str, Any], page: str) -> dict[Path, str]:
    """The page and the pictures, as they must be."""
    sections = ("peers", "rows", "flink")
    peers, rows, flink = (results.get(name, {}).get("figures", []) for name in sections)
    blocks = {
        "peers-machine": _machine(results.get("peers")),
        "peers": _peers(peers),
        "kills": _kills(peers),
        "missing": _missing(peers),
        "rows-machine": _machine(results.get("rows")),
        "rows": _rows(rows),
        "flink-machine": _machine(results.get("flink")),
        "flink": _flink(flink),
    }
    for name, block in blocks.items():
        first, last = f"<!-- {name} -->\n", "<!-- end -->"
        before, _, after = page.partition(first)
        page = before + first + block + "\n" + last + after.partition(last)[2]
    return {PAGE: page, **_pictures(peers, rows)}


def _machine(part: dict[str, Any] | None) -> str:
    if not part:
        return "Not measured yet."
    here, about = part["machine"], part["about"]
    dates = sorted({figure["date"] for figure in part["figures"]})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return (
        f"Measured {when} on {here['cores']} cores ({here['cpu']}), {here['memory_gib']} GiB, "
        f"Linux {here['kernel']}, Python {here['python']}; tamias at commit "
        f"`{about.get('commit', '?')}`, its core {about.get('core', '?')}; "
        f"load average over 15 minutes at the end {about['load_15min']}."
    )


def _number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.{digits}g}"


def _us(value: float | None) -> str:
    if value is None:
        return ""
    return f"{_number(value / 1000)} ms" if value >= 1000 else f"{_number(value)} us"


def _peers(figures: Figures) -> str:
    lines = [
        "| system | how it is run | survives | events/s | CPU s/100,000 | round trip p50 | p99 |",
        "|---|---|---|---|---|---|---|",
    ]
    notes: dict[str, int] = {}
    for it in (figure for figure in figures if not figure["unavailable"]):
        note = it["no_trips"] and notes.setdefault(it["no_trips"], len(notes) + 1)
        trips = [f"({note})", ""] if note else [_us(it["p50"]), _us(it["p99"])]
        cells = [
            *(f"{it['peer']} {it['version']}".replace(" this checkout", ""), it["mode"]),
            *(it["survives"], _number(it["rate"]), _number(it["cpu"]), *trips),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"({number}) {words}.  " for words, number in notes.items())]
    return "\n".join(lines).rstrip()


def _kills(figures: Figures) -> str:
    lines = [
        "| system | how it is run | killed | repeated | lost | doubled | wrong | keys | longer |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for it in (figure for figure in figures if not figure["unavailable"]):
        for kill in it["kills"]:
            if not kill["kills"]:  # it had ended before
                continue
            what = {"worker": "a worker", "all": "everything"}[kill["kind"]]
            end = kill["outcome"]
            faults = [end[name] for name in ("lost", "doubled", "wrong", "keys_wrong")]
            cells = [
                *(it["peer"], it["mode"], f"{what}, {kill['kills']} times"),
                *(str(kill["restarts"]), *(f"**{n:,}**" if n else "0" for n in faults)),
                f"{max(0.0, kill['seconds']):.1f} s",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _missing(figures: Figures) -> str:
    measured = {(it["peer"], it["mode"]) for it in figures}
    modes = [(peer.title, mode.title) for peer in PEERS for mode in peer.modes]
    reasons = {mode: "not measured yet" for mode in modes if mode not in measured}
    reasons |= {(title, ""): reason for title, reason in NOT_HERE.items()}
    reasons |= {(it["peer"], it["mode"]): it["unavailable"] for it in figures if it["unavailable"]}
    return "\n".join(
        f"- {', '.join(filter(None, names))}: {reason}." for names, reason in reasons.items()
    )


def _rows(figures: Figures) -> str:
    lines = ["| measure | tamias | beside it | ratio | goal |", "|---|---|---|---|---|"]
    for it in figures:
        goal = it["goal"] and f"{it['goal']}: {'met' if it['met'] else 'missed'}"
        ratio = "" if it["ratio"] is None else f"{it['ratio']:.2f}"
        mine = f"{_number(it['ours'])} {it['unit']}"
        lines.append(f"| {it['title']} | {mine} | {_number(it['peer'])} | {ratio} | {goal} |")
    return "\n".join(lines)


def _flink(figures: Figures) -> str:
    lines = ["| the counter in Flink | events/s | ratio to the first |", "|---|---|---|"]
    lines += [f"| {it['name']} | {_number(it['rate'])} | {it['ratio']:.2f} |" for it in figures]
    return "\n".join(lines) if figures else ""


def _pictures(peers: Figures, rows: Figures) -> dict[Path, str]:
    figures = [figure for figure in peers if not figure["unavailable"]]

    def name(it: dict[str, Any]) -> str:
        return f"{it['peer'].partition(',')[0]}, {it['mode'].replace('`', '')}"

    def chart(field: str, text: Any, *, rising: bool) -> list[Bar]:
        found = [
            Bar(name(it), it[field], text(it[field]), ours=it["peer"] == "tamias")
            for it in figures
            if it[field]
        ]
        return sorted(found, key=lambda bar: bar.value, reverse=rising)

    scale = "logarithmic scale"
    rates = chart("rate", _number, rising=True)
    trips = chart("p50", _us, rising=False)
    cpu = chart("cpu", lambda value: f"{_number(value)} s", rising=False)
    found = {}
    if rates:
        title = "Events per second, keyed counter"
        found[FOLDER / "rates.svg"] = bars(title, f"more is better; {scale}", rates)
    if trips:
        title = "Round trip of a single event, median, in microseconds"
        found[FOLDER / "round-trips.svg"] = bars(title, f"less is better; {scale}", trips)
    if cpu:
        title = "CPU seconds of all processes per 100,000 events"
        found[FOLDER / "cpu.svg"] = bars(title, f"less is better; {scale}", cpu)
    costs = [
        Bar(it["title"], it["ours"], f"{_number(it['ours'])} us", ours=True)
        for it in rows
        if it["unit"] == "us of CPU"
    ]
    if costs:
        title = "CPU microseconds of a worker's engine per input"
        found[FOLDER / "costs.svg"] = bars(title, f"less is better; {scale}", costs)
    return found

"""Run the examples of Flink Agents on tamias's package `flink_agents`, and compare outputs.

Some of them read a source that never ends: those are ended when all outputs are there. The file of
reviews that most of them read is shortened; the programs themselves are as they are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import psutil
from flink_agents_tests import dialect_of, make_view

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.providers.script import Answer, Ask, Call, Reply, embedded
from support.providers.server import FakeProviders, fake_providers

OLLAMA_PORT: Final = 11434
REVIEWS: Final = "examples/quickstart/resources/product_review.txt"
SECONDS: Final = 300.0
STEP: Final = 0.5
SIGNALS: Final = {"kill": signal.SIGKILL, "segv": signal.SIGSEGV}
KILLS: Final = 2
"""One more, and an input that is alone would be taken for the reason."""
WINDOWS: Final = "multiple"
"""The example that counts in windows of a minute: its outputs depend on the clock."""


class Outcome(NamedTuple):
    """What a program has done."""

    outputs: list[str]
    seconds: float
    deaths: int
    problem: str


class Setting(NamedTuple):
    """How programs are run."""

    python: str
    package: Path
    dialect: str
    reviews: int
    server: FakeProviders


def main() -> int:
    """Run the examples, print a table; return 0 if all is as it should be."""
    parser = argparse.ArgumentParser(description="Run Flink Agents' examples on tamias.")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--reviews", type=int, default=60, help="lines of the file of reviews")
    parser.add_argument("--kill", choices=sorted(SIGNALS), help="how workers die, in a second run")
    parser.add_argument("--python", help="one that has the real Flink Agents, for a second run")
    given = parser.parse_args()
    checkout: Path = given.checkout.resolve()
    bad = 0
    with (
        tempfile.TemporaryDirectory(prefix="flink-agents-examples-") as folder,
        _server() as server,
    ):
        package = make_view(Path(folder), checkout)
        _shorten(package / REVIEWS, given.reviews)
        setting = Setting(sys.executable, package, dialect_of(checkout), given.reviews, server)
        print(f"Flink Agents {setting.dialect}: outputs, seconds, comparison")
        for path in sorted((package / "examples").rglob("*_example.py")):
            if given.words and not any(word in path.name for word in given.words):
                continue
            bad += not _line(path, setting, given.kill, given.python)
    return min(bad, 1)


def _line(path: Path, setting: Setting, kill: str | None, python: str | None) -> bool:
    first = _run(path, setting)
    text, is_good = first.problem or "ends as it should", not first.problem
    if not first.problem and kill:
        again = _run(path, setting, SIGNALS[kill])
        text, is_good = _compared(path, first, again)
        text = f"{again.deaths} workers killed: {text}"
    elif not first.problem and python:
        theirs = setting._replace(python=python, package=_copy_of_theirs(python, setting))
        text, is_good = _compared(path, first, _run(path, theirs))
        text = f"the peer's runtime: {text}"
    print(f"{len(first.outputs):5} {first.seconds:6.1f}  {path.stem:40} {text}", flush=True)
    return is_good


def _compared(path: Path, first: Outcome, again: Outcome) -> tuple[str, bool]:
    if again.problem:
        return again.problem, False
    if WINDOWS in path.name:
        return f"{len(again.outputs)} outputs of windows, which are not comparable", True
    if sorted(first.outputs) == sorted(again.outputs):
        return "the same outputs", True
    more, less = set(again.outputs) - set(first.outputs), set(first.outputs) - set(again.outputs)
    return f"{len(more)} other outputs, {len(less)} missing: {[*more, *less][:2]}", False


def _run(path: Path, setting: Setting, death: signal.Signals | None = None) -> Outcome:
    is_endless = "product_review" in path.read_text(encoding="utf-8") and WINDOWS not in path.name
    wanted = setting.reviews if is_endless else 0
    # The windows have to end before the input does; otherwise a worker has to die during the work.
    setting.server.latency = 5.0 if WINDOWS in path.name else 0.5 if death else 0.0
    places = [str(setting.package.parent)] if setting.python == sys.executable else []
    parts = path.with_suffix("").parts
    module = ".".join(parts[len(parts) - parts[::-1].index("flink_agents") - 1 :])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(places),
        "TAMIAS_FLINK_AGENTS": setting.dialect,
        "OLLAMA_HOST": setting.server.url,
        "PATH": f"{Path(setting.python).parent}{os.pathsep}{os.environ['PATH']}",
    }
    began = time.monotonic()
    deaths = 0
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = subprocess.Popen(
                [setting.python, "-m", module],
                stdout=to_out,
                stderr=to_err,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )
        try:
            while process.poll() is None and time.monotonic() < began + SECONDS:
                time.sleep(STEP)
                found = _outputs(out)
                if wanted and len(found) >= wanted:
                    break
                if death and deaths < KILLS and len(setting.server.asked) > deaths:
                    deaths += _kill_one(process.pid, death)
            seconds = time.monotonic() - began
            ended = process.poll()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        found = _outputs(out)
        text = err.read_text(encoding="utf-8", errors="replace")
        last = (text.rstrip().rpartition("\n")[2] or "?")[:200]
    setting.server.asked.clear()
    problem = ""
    if ended:
        problem = f"it has failed: {last}"
    elif (wanted and len(found) != wanted) or not found:
        problem = f"{len(found)} outputs of {wanted or 'some'} after {seconds:.0f} s"
    return Outcome(found, seconds, deaths, problem)


def _outputs(file: Path) -> list[str]:
    """The lines that Flink's `print` has written, or those of the program's own end."""
    lines = file.read_text(encoding="utf-8").splitlines()
    found = [re.sub(r"^\d+> ", "", line) for line in lines]
    kept = re.compile(r"id=|\{'|\[\d+\] Response: |answer \d|-?[\d.]+$")
    return [line for line in found if kept.match(line)]


def _kill_one(program: int, death: signal.Signals) -> int:
    """Kill a worker of a program, if it has one; return how many were killed."""
    with suppress(psutil.NoSuchProcess):
        for each in psutil.Process(program).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if each.name().startswith("tamias worker"):
                    os.kill(each.pid, death)
                    return 1
    return 0


def _copy_of_theirs(python: str, setting: Setting) -> Path:
    """Shorten the reviews in a real installation; return its package."""
    code = "import flink_agents; print(flink_agents.__path__[0])"
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    package = Path(told.stdout.split()[-1])
    _shorten(package / REVIEWS, setting.reviews)
    return package


def _shorten(path: Path, count: int) -> None:
    if count and path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[:count]), encoding="utf-8")


# -- the model ----------------------------------------------------------------------------------


@contextmanager
def _server() -> Iterator[FakeProviders]:
    """A fake server, where Ollama's would be if that place is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", OLLAMA_PORT))
            port = OLLAMA_PORT
        except OSError:
            port = 0
    with fake_providers(_answer, port=port) as server:
        yield server


def _answer(ask: Ask) -> Answer:
    """What the model says: it depends on the conversation alone."""
    if ask.texts:
        return embedded(ask)
    last = next((each.text for each in reversed(ask.messages) if each.role == "user"), "")
    number = int(hashlib.sha256(last.encode()).hexdigest()[:8], 16)
    if "load_skill" in ask.tools:
        return _calculated(ask, last)
    wanted = "\n".join(each.text for each in ask.messages)
    if "suggestion_list" in wanted:
        return _json(suggestion_list=[f"suggestion {number % 97}"])
    judged = re.search(r'Judge the "(\w+)"', last)
    if judged is not None:
        return _json(aspect=judged[1], result="positive" if judged[1] == "taste" else "negative")
    if "Judgments: " in last:
        return _json(summary=last.partition("Judgments: ")[2])
    if "notify_shipping_manager" in ask.tools or '"score"' in wanted:
        product = re.search(r'"?id"?: *(\w+)', last)
        name = product[1] if product else "?"
        if ask.tools and not ask.results and number % 4 == 0:
            arguments = {"id": name, "review": f"review {number % 97}"}
            return Reply(calls=(Call("notify_shipping_manager", arguments),), reasoning="Damaged.")
        return _json(id=name, score=number % 5 + 1, reasons=[f"reason {number % 97}"])
    return Reply(f"answer {number % 9973}")


def _json(**fields: object) -> Reply:
    return Reply(json.dumps(fields), reasoning="So it is.")


def _calculated(ask: Ask, question: str) -> Reply:
    """By the skill for it, and its command."""
    if ask.rounds == 0:
        return Reply(calls=(Call("load_skill", {"name": "math-calculator"}),))
    if ask.rounds == 1:
        text = question.replace("divided by", "/")
        sum_ = "".join(re.findall(r"[\d()+*/^ -]+", text)).strip()
        return Reply(calls=(Call("bash", {"command": f'echo "{sum_}" | bc'}),))
    return Reply(ask.results[-1].strip())


if __name__ == "__main__":
    sys.exit(main())

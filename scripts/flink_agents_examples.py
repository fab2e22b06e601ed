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
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.request import Request, urlopen

import psutil
from flink_agents_tests import dialect_of, make_view

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.providers.script import Answer, Ask, Call, Reply, embedded
from support.providers.server import FakeProviders, fake_providers

OLLAMA_PORT: Final = 11434
REVIEWS: Final = "examples/quickstart/resources/product_review.txt"
LOCALLY: Final = Path(__file__).with_name("flink_agents_locally.py")
SECONDS: Final = 300.0
STEP: Final = 0.5
SIGNALS: Final = {"kill": signal.SIGKILL, "segv": signal.SIGSEGV}
KILLS: Final = 2
"""One more, and an input that is alone would be taken for the reason."""
TOKENS: Final = 60
NAMES: Final = frozenset({"id", "aspect", "result"})
"""Fields of answers that programs look at."""
WINDOWS: Final = "multiple"
"""The example that counts in windows of a minute, which have to have the same in each run."""
WINDOW: Final = 60.0
IN_TIME: Final = 10.0
"""Seconds of a window after which it is too late to begin with it."""


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
    reviews: list[str]
    server: FakeProviders
    model: Model
    where: str = "flink"


def main() -> int:
    """Run the examples, print a table; return 0 if all is as it should be."""
    parser = argparse.ArgumentParser(description="Run Flink Agents' examples on tamias.")
    parser.add_argument("words", nargs="+", metavar="CHECKOUT|WORD")
    parser.add_argument("--reviews", type=int, default=60, help="lines of the file of reviews")
    parser.add_argument(
        "--kill", choices=[*sorted(SIGNALS), "both"], help="how workers die, in a run more for each"
    )
    parser.add_argument("--where", choices=["flink", "local", "both"], default="flink")
    parser.add_argument("--model", metavar="URL", help="a server as OpenAI's, which has the words")
    parser.add_argument("--python", help="one that has the real Flink Agents, for a second run")
    given = parser.parse_args()
    checkouts = [Path(each).resolve() for each in given.words if Path(each).is_dir()]
    words = [each for each in given.words if not Path(each).is_dir()]
    if not checkouts:
        parser.error("name a directory with the sources of Flink Agents")
    deaths = {"both": sorted(SIGNALS), None: []}.get(given.kill, [given.kill])
    places = ["local", "flink"] if given.where == "both" else [given.where]
    print(f"{'':4} {'example':32} {'where':6} {'outputs':>7} {'s':>6}  compared")
    bad = 0
    model = Model(given.model)
    with _server(model) as server:
        for checkout in checkouts:
            with tempfile.TemporaryDirectory(prefix="flink-agents-examples-") as folder:
                package = make_view(Path(folder), checkout)
                lines = (package / REVIEWS).read_text(encoding="utf-8").splitlines(keepends=True)
                reviews = lines[: given.reviews or None]
                model.last_review = json.loads(reviews[-1])["review"]
                setting = Setting(
                    sys.executable, package, dialect_of(checkout), reviews, server, model
                )
                for path in sorted((package / "examples").rglob("*_example.py")):
                    if not words or any(word in path.name for word in words):
                        bad += not _lines(path, setting, places, deaths, given.python)
    return min(bad, 1)


def _lines(
    path: Path, setting: Setting, places: list[str], deaths: list[str], python: str | None
) -> bool:
    """Run an example in each place and way, print a line for each place."""
    is_good = True
    found: dict[str, Outcome] = {}
    if "from_list" in path.read_text(encoding="utf-8"):
        places = ["local"]  # the program itself says so
    for where in places:
        here = setting._replace(where=where)
        first = found[where] = _run(path, here)
        said = [first.problem or "ends as it should"]
        good = not first.problem
        local = found.get("local")
        if good and where == "flink" and local and not local.problem:
            text, is_same = _compared(local, first)
            said.append(f"as locally: {text}")
            good = good and is_same
        for death in deaths if good else []:
            again = _run(path, here, SIGNALS[death])
            text, is_same = _compared(first, again)
            said.append(f"{death} x {again.deaths}: {text}")
            good = good and is_same and again.deaths > 0
        if good and python:
            theirs = here._replace(python=python, package=_theirs(python))
            text, good = _compared(first, _run(path, theirs))
            said.append(f"the peer's runtime: {text}")
        print(
            f"{setting.dialect:4} {path.stem.removesuffix('_example'):32} {where:6} "
            f"{len(first.outputs):7} {first.seconds:6.1f}  {'; '.join(said)}",
            flush=True,
        )
        is_good = is_good and good
    return is_good


def _compared(first: Outcome, again: Outcome) -> tuple[str, bool]:
    if again.problem:
        return again.problem, False
    if sorted(first.outputs) == sorted(again.outputs):
        return "the same outputs", True
    more, less = set(again.outputs) - set(first.outputs), set(first.outputs) - set(again.outputs)
    return f"{len(more)} other outputs, {len(less)} missing: {[*more, *less][:2]}", False


def _command(path: Path, setting: Setting) -> list[str]:
    if setting.python != sys.executable:
        parts = path.with_suffix("").parts
        module = ".".join(parts[len(parts) - parts[::-1].index("flink_agents") - 1 :])
        return [setting.python, "-m", module]
    words = [str(path)]
    if setting.where == "local" and "from_list" not in path.read_text(encoding="utf-8"):
        words = [str(LOCALLY), str(path)]
    return [str(Path(setting.python).with_name("tamias")), "flink-agents", "run", *words]


def _run(path: Path, setting: Setting, death: signal.Signals | None = None) -> Outcome:
    is_of_reviews = "product_review" in path.read_text(encoding="utf-8")
    is_in_flink, is_of_windows = setting.where == "flink", WINDOWS in path.name
    # What comes last is in no window that ends; see `Model`.
    reviews = setting.reviews[: -1 if is_of_windows and not is_in_flink else None]
    (setting.package / REVIEWS).write_text("".join(reviews), encoding="utf-8")
    wanted = len(reviews) if is_of_reviews and is_in_flink and not is_of_windows else 0
    setting.server.latency = 0.5 if death else 0.0  # a worker has to die during the work
    setting.model.begin(in_windows=is_in_flink and is_of_windows)
    began = time.monotonic()
    deaths = 0
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PYTHONPATH": (str(setting.package.parent) if setting.python == sys.executable else ""),
            "TAMIAS_FLINK_AGENTS": setting.dialect,
            "OLLAMA_HOST": setting.server.url,
            "CHROMA_PERSIST_DIRECTORY": str(Path(folder, "chroma")),
            "PATH": f"{Path(setting.python).parent}{os.pathsep}{os.environ['PATH']}",
        }
        out, err = Path(folder, "out"), Path(folder, "err")
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = subprocess.Popen(
                _command(path, setting),
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
    kept = re.compile(r"id=|\{'|\[\d+\] Response: |answer |-?[\d.]+$")
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


def _theirs(python: str) -> Path:
    """The package of a real installation."""
    code = "import flink_agents; print(flink_agents.__path__[0])"
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    return Path(told.stdout.split()[-1])


# -- the model ----------------------------------------------------------------------------------


@contextmanager
def _server(model: Model) -> Iterator[FakeProviders]:
    """A fake server, where Ollama's would be if that place is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", OLLAMA_PORT))
            port = OLLAMA_PORT
        except OSError:
            port = 0
    with fake_providers(model.answer, port=port) as server:
        yield server


class Model:
    """Says what depends on the conversation alone; when it says it, is made to suit windows.

    The answers about all reviews but the last are in one window, and the last one comes after it.
    So the outputs of this window are the same in each run, and the input ends later than it does.
    """

    def __init__(self, url: str | None = None) -> None:
        """`url` is that of a real model, which says all but which tools are called."""
        self._url = url
        self.last_review = ""
        self._in_windows = False
        self._opened = 0.0

    def begin(self, *, in_windows: bool) -> None:
        """Begin with a program."""
        self._in_windows = in_windows
        self._opened = 0.0

    def answer(self, ask: Ask) -> Answer:
        """Answer; in windows, as soon as it is time."""
        said = _answer(ask)
        if self._url and isinstance(said, Reply) and not said.calls:
            said = _of_a_model(self._url, ask, said)
        if not self._in_windows or not isinstance(said, Reply):
            return said
        now = time.time()
        if not self._opened:
            is_late = now % WINDOW > IN_TIME
            self._opened = now // WINDOW * WINDOW + (WINDOW + 1 if is_late else 0)
        is_last = self.last_review in _words(ask)
        opened = self._opened + (WINDOW + 4 if is_last else 0)
        return replace(said, delay=max(0.0, opened - now))


def _of_a_model(url: str, ask: Ask, expected: Reply) -> Reply:
    """What a real model says, in the form of what is expected; the same to the same question."""
    asked: dict[str, Any] = {
        "messages": [
            {"role": each.role, "content": each.text}
            for each in ask.messages
            if each.text and each.role in {"system", "user"}
        ],
        "temperature": 0,
        "seed": 1,
        "cache_prompt": False,
        "max_tokens": TOKENS,
    }
    if expected.text.startswith("{"):
        schema = _like(json.loads(expected.text))
        asked["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
    request = Request(  # noqa: S310 (of the one who runs this)
        f"{url}/v1/chat/completions",
        json.dumps(asked).encode(),
        {"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 (as above)
        said = json.load(answer)["choices"][0]["message"]["content"]
    text = " ".join(said.split())
    return Reply(text if expected.text.startswith("{") else f"answer {text}")


def _like(value: Any) -> dict[str, Any]:
    """The schema of values like this one: names stay, texts are new."""
    if isinstance(value, dict):
        fields = {
            name: {"const": each} if name in NAMES else _like(each) for name, each in value.items()
        }
        return {"type": "object", "properties": fields, "required": list(fields)}
    if isinstance(value, list):
        return {"type": "array", "items": _like(value[0]), "minItems": 1, "maxItems": 1}
    if isinstance(value, int):
        return {"enum": [1, 2, 3, 4, 5]}
    return {"type": "string", "maxLength": 40}


def _words(ask: Ask) -> str:
    return "\n".join(each.text for each in ask.messages)


def _answer(ask: Ask) -> Answer:
    """What the model says: it depends on the conversation alone."""
    if ask.texts:
        return embedded(ask)
    last = next((each.text for each in reversed(ask.messages) if each.role == "user"), "")
    number = int(hashlib.sha256(last.encode()).hexdigest()[:8], 16)
    if "load_skill" in ask.tools:
        return _calculated(ask, last)
    wanted = _words(ask)
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

from __future__ import annotations

import os
import pickle
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from support.console.dashboards import make_state
from tamias.console.rendering.renderers import ValueRenderer
from tamias.store.encoding.values import dumps
from tamias.store.state.directory import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

AGENT = """
class Point:
    def __init__(self, x):
        self.x = x
    def __repr__(self):
        return f"Point({self.x})"
class Plain:
    def __init__(self):
        self.inner = {"<b>": 1}
class Rude(Plain):
    def __repr__(self):
        raise ValueError
"""
PID = "__import__('os').getpid()"


def doing(code: str) -> bytes:
    """A stored value that executes code when it is read."""

    class Hostile:
        def __reduce__(self) -> Any:
            return eval, (code,)

    return pickle.dumps(Hostile(), 5)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "points.py").write_text(AGENT)
    path = make_state(tmp_path / "state")
    with StateDirectory.view(path) as view:
        manifest = view.manifest
    job = {"spec": {"target": f"{tmp_path / 'points.py'}:A"}}
    with StateDirectory.open(path, manifest.agent, manifest.shards, "none", {}) as directory:
        directory.save_job(job)
    return path


@pytest.fixture
def renderer(state: Path) -> Iterator[ValueRenderer]:
    renderer = ValueRenderer(state, seconds=1.0)
    yield renderer
    renderer.close()


def test_values_of_the_agents_classes_are_shown(
    renderer: ValueRenderer, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(state.parent))
    monkeypatch.delitem(sys.modules, "points", raising=False)
    import points  # type: ignore[import-not-found]

    values = [points.Point(3), points.Plain(), points.Rude(), [points.Point("<script>")]]
    stored = [dumps(value) for value in values]
    answer = renderer.answer(0)
    assert [answer.stored(data) for data in stored] == [
        {"$type": "points.Point", "text": "Point(3)"},
        {"$type": "points.Plain", "fields": {"inner": {"<b>": 1}}},
        {"$type": "points.Rude", "text": "<Rude, whose repr raises ValueError>"},
        [{"$type": "points.Point", "text": "Point(<script>)"}],
    ]


KILLING = (
    f"__import__('os').kill({PID}, 9)",
    "__import__('os').kill(__import__('os').getppid(), 9)",
    "__import__('os').kill(0, 9)",
    "__import__('os')._exit(0)",
    "__import__('ctypes').string_at(0)",
    "__import__('os').closerange(0, 200)",
    "exit()",
)


def test_stored_values_that_kill_harm_nothing(renderer: ValueRenderer) -> None:
    for code in KILLING:
        answer = renderer.answer(0)
        shown = answer.stored(doing(code))
        assert shown is None or shown.keys() == {"$unreadable"}
        assert answer.stored(doing("6 * 7")) == 42


def test_a_stored_value_that_never_ends_or_needs_all_memory_is_given_up(state: Path) -> None:
    renderer = ValueRenderer(state, seconds=0.3)
    try:
        answer = renderer.answer(0)
        assert answer.stored(doing("1")) == 1
        slow = doing("__import__('time').sleep(1000)")
        assert answer.stored(slow) == {"$unreadable": "it takes too long to be read"}
        assert "long" in renderer.answer(0).stored(slow)["$unreadable"]  # not tried again
        memory = doing("[bytearray(1 << 30) for _ in range(100)]")
        assert "memory" in renderer.answer(0).stored(memory)["$unreadable"]
    finally:
        renderer.close()


def test_what_a_stored_value_prints_is_not_taken_for_an_answer(renderer: ValueRenderer) -> None:
    answer = renderer.answer(0)
    assert answer.stored(doing("print('x' * 100_000)")) is None
    assert answer.stored(doing("'y'")) == "y"


def test_values_after_many_deaths_are_not_tried(renderer: ValueRenderer) -> None:
    answer = renderer.answer(0)
    for status in range(4):
        answer.stored(doing(f"__import__('os')._exit({status})"))
    assert "not tried" in answer.stored(doing("1"))["$unreadable"]
    assert renderer.answer(0).stored(doing("1")) == 1


def test_plain_values_need_no_process(state: Path) -> None:
    renderer = ValueRenderer(state)
    answer = renderer.answer(0)
    for value in ("x", 1, None, [1, {"a": (2,)}], b"1", 2.5, True):
        answer.stored(dumps(value))
    assert answer.payload("json-value", b'{"value": 5}') == {"value": 5}
    assert not _children()


def test_the_child_ends_with_its_parent(renderer: ValueRenderer) -> None:
    renderer.answer(0).stored(doing("1"))
    (child,) = _children()
    renderer.close()
    assert not _children()
    with pytest.raises(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def _children() -> list[int]:
    """The processes of renderers that this one has started."""
    return [child.pid for child in psutil.Process().children() if _is_renderer(child)]


def _is_renderer(child: psutil.Process) -> bool:
    try:
        return "console.rendering" in " ".join(child.cmdline())
    except psutil.NoSuchProcess:  # ended, and nobody has waited for it yet
        return False


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_root_executes_no_stored_value_of_another_user_as_root() -> None:
    with tempfile.TemporaryDirectory() as folder:
        state = make_state(Path(folder) / "state")
        Path(folder).chmod(0o755)
        for path in (state, *state.rglob("*")):
            os.chown(path, 12_345, 12_345)
        renderer = ValueRenderer(state, seconds=2.0)
        try:
            answer = renderer.answer(0)
            assert answer.stored(doing("list(__import__('os').getresuid())")) == [12_345] * 3
            assert answer.stored(doing("__import__('os').getgroups()")) in ([], [12_345])
        finally:
            renderer.close()

"""The house rules that no linter knows: who may import whom, and how large a file may grow."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from support.house.source_tree import Module, SourceTree

ROOT = Path(__file__).resolve().parents[2]

# Bottom to top: a room imports from itself and from rooms to its left.
ROOMS = (
    "agent",
    "store",
    "worker",
    "environments",
    "launcher",
    "service",
    "deployment",
    "console",
    "cli",
    "bridge",
    "models",
    "flink_agents",
)
# What a room may import of those to its left, where that is not all of them.
ONLY = {
    "bridge": ("agent", "store", "worker", "environments", "launcher"),
    "models": ("agent",),
    "flink_agents": ("agent", "models", "bridge"),
}
MAX_LINES = 500
MAX_MODULES = 13

# The programming model must run anywhere: in a worker, the launcher, a JVM, a notebook.
# asyncio and threading are not on the list: they are about how code runs, not about the outside.
OUTSIDE_WORLD = frozenset(
    "aiohttp asyncore fcntl fileinput ftplib glob http httpx io lmdb mmap multiprocessing os pty "
    "psutil requests resource select selectors setproctitle shutil signal smtplib socket "
    "socketserver sqlite3 ssl subprocess tempfile termios urllib uvloop zmq".split()
)
# The one module that turns a configuration file into a configuration, and what no other may call.
READS_FILES = "agent.config.configuration"
FILE_CALLS = frozenset(("open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink"))
OPENS_NO_FILE = "resource.open()"

TREE = SourceTree(ROOT, ROOMS)


def _where(module: Module, line: int) -> str:
    return f"{module.path.relative_to(ROOT)}:{line}"


def _all_python_files() -> list[Path]:
    folders = (*ROOMS, "tests", "scripts", "examples")
    nested = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted([*ROOT.glob("*.py"), *nested])


def _upward_imports(tree: SourceTree) -> list[str]:
    wrong = []
    for module in tree.modules.values():
        if module.room not in ROOMS:
            continue
        below = ONLY.get(module.room, ROOMS[: ROOMS.index(module.room)])
        wrong += [
            f"{module.path.relative_to(tree.root)}:{found.line} imports {found.target or '.'}"
            for found in tree.imports(module)
            if found.relative and found.target.partition(".")[0] not in (module.room, *below)
        ]
    return wrong


def test_arrows_point_one_way() -> None:
    assert _upward_imports(TREE) == []


def test_no_circles() -> None:
    assert TREE.circles() == []


def test_no_circles_between_sub_rooms() -> None:
    assert TREE.circles_of_folders() == []


def test_no_folder_is_crowded() -> None:
    folders = Counter(
        str(module.path.parent.relative_to(ROOT))
        for module in TREE.modules.values()
        if module.path.name != "__init__.py"
    )
    assert {name: count for name, count in folders.items() if count > MAX_MODULES} == {}


def test_each_room_says_what_it_is_for_and_what_it_knows_nothing_of() -> None:
    wrong = []
    for module in TREE.modules.values():
        if module.path.name != "__init__.py" or not module.name:
            continue
        text = ast.get_docstring(module.tree) or ""
        first = text.partition("\n\n")[0]
        if not re.search(r"[.:] Knows no(thing)? ", first) or len(module.tree.body) != 1:
            wrong.append(str(module.path.relative_to(ROOT)))
    assert wrong == []


def test_the_architecture_page_has_each_room_in_its_tables() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    tabled = set(re.findall(r"^\| `([a-z_/]+)` \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE))
    folders = {
        str(module.path.parent.relative_to(ROOT))
        for module in TREE.modules.values()
        if module.path.name == "__init__.py" and module.name
    }
    assert folders - tabled == set()


def test_names_are_imported_from_where_they_are_defined() -> None:
    assert TREE.borrowed_names() == []


def test_imports_inside_the_package_are_relative() -> None:
    wrong = [
        _where(module, found.line)
        for module in TREE.modules.values()
        for found in TREE.imports(module)
        if not found.relative and found.target.partition(".")[0] in {"tamias", *ROOMS}
    ]
    assert wrong == []


def test_the_programming_model_does_not_touch_the_outside_world() -> None:
    wrong = []
    for module in TREE.modules.values():
        if module.room != "agent":
            continue
        wrong += [
            f"{_where(module, found.line)} imports {found.target}"
            for found in TREE.imports(module)
            if not found.relative and found.target.partition(".")[0] in OUTSIDE_WORLD
        ]
        if module.name == READS_FILES:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                function = node.func
                name = getattr(function, "id", None) or getattr(function, "attr", None)
                if name in FILE_CALLS and ast.unparse(node) != OPENS_NO_FILE:
                    wrong.append(f"{_where(module, node.lineno)} calls {name}()")
    assert wrong == []


def test_no_file_is_too_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in _all_python_files()
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_module_says_what_it_is_for() -> None:
    assert [
        str(module.path.relative_to(ROOT))
        for module in TREE.modules.values()
        if not ast.get_docstring(module.tree)
    ] == []


def test_the_root_defines_nothing_itself() -> None:
    own = [
        f"{module.path.name}:{node.lineno}"
        for module in (TREE.modules[""], TREE.modules["testing"])
        for node in module.tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    ]
    assert own == []
    assert sorted(path.name for path in ROOT.glob("*.py")) == [
        "__init__.py",
        "__main__.py",
        "setup.py",
        "testing.py",
    ]


def test_every_package_is_in_the_distribution() -> None:
    # Python 3.10 has no TOML reader, but a TOML list of strings is a Python list of strings.
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^packages = (\[.*?\])", text, re.DOTALL | re.MULTILINE)
    assert listed is not None
    assert sorted(ast.literal_eval(listed[1])) == TREE.packages()


def test_circles_between_folders_are_seen(tmp_path: Path) -> None:
    for name in ("store", "store/records", "store/shard"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "store/records/journal.py").write_text("from ..shard import batch")
    (tmp_path / "store/records/outbox.py").touch()
    (tmp_path / "store/shard/batch.py").touch()
    assert SourceTree(tmp_path, ROOMS).circles_of_folders() == []
    (tmp_path / "store/shard/shard.py").write_text("from ..records.outbox import Outputs")
    tree = SourceTree(tmp_path, ROOMS)
    assert tree.circles() == []
    assert tree.circles_of_folders() == [["store.records", "store.shard"]]


@pytest.mark.parametrize(
    ("path", "line", "circle", "upward"),
    [
        ("store/shard.py", "from ..agent.event import Event", False, False),
        ("store/shard.py", "from ..worker import run", False, True),
        ("store/shard.py", "from ..worker.run import step", False, True),
        ("store/shard.py", "from .. import Event", False, True),
        ("store/shard.py", "def f():\n    from ..worker import run", False, True),
        ("store/shard.py", "from ..models.client import Client", False, True),
        ("worker/run.py", "from ..models.client import Client", False, True),
        ("agent/event.py", "from . import memory", True, False),
        ("agent/event.py", "def f():\n    from .memory import Memory", True, False),
        ("agent/event.py", "if TYPE_CHECKING:\n    from ..store import shard", False, True),
    ],
)
def test_the_rules_see_what_they_forbid(
    tmp_path: Path, path: str, line: str, *, circle: bool, upward: bool
) -> None:
    for name in ("", "agent/", "store/", "worker/"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "agent/event.py").touch()
    (tmp_path / "agent/memory.py").write_text("from .event import Event")
    (tmp_path / "worker/run.py").touch()
    (tmp_path / path).write_text(line)
    tree = SourceTree(tmp_path, ROOMS)
    assert bool(tree.circles()) is circle
    assert bool(_upward_imports(tree)) is upward

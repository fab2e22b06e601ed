"""Makes extension modules of the modules that `store/compiled.py` lists, with mypyc.

All become one library, `tamias.core__mypyc`, beside a small module for each; all sources are
installed as well, so another version of Python, for which the library is not made, imports those.
"""

from __future__ import annotations

import ast
import os
import platform
import runpy
import shlex
import shutil
import sysconfig
import warnings
from pathlib import Path
from typing import Any, Final

from setuptools.command.build_ext import build_ext

ROOT: Final = Path(__file__).resolve().parents[2]
CHOICE: Final = os.environ.get("TAMIAS_COMPILE", "")
"""`0`: compile nothing. `1`: compile, or fail. Otherwise: compile where it is possible."""
LEVEL: Final = os.environ.get("MYPYC_OPT_LEVEL", "3")
NEEDS: Final = "mypy>=1.19,<3"
MYPY_OPTIONS: Final = (
    # Types of libraries are not looked for, so nothing depends on what happens to be installed.
    *("--ignore-missing-imports", "--follow-imports=silent", "--no-site-packages"),
    # mypy takes an attribute that was None a moment ago for None, also if a call has changed it
    # since; compiled code relies on that. Where it does, it finds what follows unreachable.
    "--warn-unreachable",
)


def is_wanted(*, editable: bool = False) -> bool:
    """Whether to compile: it is demanded, or possible and of use.

    In an editable install it is of no use: changes of the source would have no effect.
    """
    if CHOICE:
        return CHOICE == "1"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    return (
        not editable
        and platform.python_implementation() == "CPython"
        and platform.machine() in {"x86_64", "aarch64"}  # mypy has wheels for these
        and shutil.which(compiler) is not None
        and Path(sysconfig.get_path("include"), "Python.h").is_file()
    )


def extension_modules() -> list[Any]:
    """Translate to C; return what is to be compiled, nothing if that has failed."""
    here = Path.cwd()
    try:
        from mypyc.build import mypycify  # noqa: PLC0415 (only there where it is needed)

        modules = runpy.run_path(str(ROOT / "store" / "compiled.py"))["MODULES"]
        files = [f"{module.replace('.', '/')}.py" for module in modules]
        os.chdir(_staged())
        for file in files:
            Path(file).write_text(with_causes(Path(file).read_text("utf-8")), "utf-8")
        extensions: list[Any] = mypycify(
            [*MYPY_OPTIONS, f"--cache-dir={ROOT / 'build' / 'mypy'}", *files],
            opt_level=LEVEL,
            debug_level="0",
            group_name="tamias.core",  # a part of the package: it needs no place in sys.path
            target_dir=str(ROOT / "build" / "core"),
        )
    except (Exception, SystemExit) as error:  # noqa: BLE001 (mypyc exits, too)
        _fall_back(error)
        return []
    finally:
        os.chdir(here)
    return extensions


def with_causes(source: str) -> str:
    """Write `raise error from cause` as a call of `agent/failures/causes.py`.

    mypyc drops the cause. No line of the source gets another number.
    """
    lines = source.encode().splitlines(keepends=True)
    raising = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Raise)]
    for node in sorted(raising, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        if node.exc is None or node.cause is None:
            continue
        parts = (ast.get_source_segment(source, each) for each in (node.exc, node.cause))
        call = b"raise with_cause(%b, %b)" % tuple(str(part).encode() for part in parts)
        last = node.end_lineno or node.lineno
        before = lines[node.lineno - 1][: node.col_offset]
        after = lines[last - 1][node.end_col_offset :]
        lines[node.lineno - 1 : last] = (before + call + after).splitlines(keepends=True)
    future = b"from __future__ import annotations"
    importing = future + b"; from tamias.agent.failures.causes import with_cause"
    return b"".join(lines).replace(future, importing, 1).decode()


def _staged() -> Path:
    """Copy the rooms to a folder in which they belong to `tamias`, as mypy must see them."""
    stage = ROOT / "build" / "staged"
    shutil.rmtree(stage, ignore_errors=True)
    package = stage / "tamias"
    package.mkdir(parents=True)
    for name in ("__init__.py", "testing.py", "py.typed"):
        shutil.copy2(ROOT / name, package / name)
    for room in ROOT.glob("*/__init__.py"):
        shutil.copytree(room.parent, package / room.parent.name, ignore=_all_but_packages)
    return stage


def _all_but_packages(folder: str, names: list[str]) -> set[str]:
    return {n for n in names if not (n.endswith(".py") or Path(folder, n, "__init__.py").is_file())}


def _fall_back(error: BaseException) -> None:
    """Say that tamias will be plain Python; fail if the other was demanded."""
    if CHOICE == "1":
        raise error
    warnings.warn(
        f"The core of tamias cannot be compiled here ({type(error).__name__}: {error}): it is"
        " installed as plain Python, which does the same, slower. TAMIAS_COMPILE=1 fails instead"
        " and shows why; TAMIAS_COMPILE=0 does not try.",
        stacklevel=2,
    )


class BuildCore(build_ext):
    """Compiles all extension modules, or has none."""

    def run(self) -> None:
        """Compile them."""
        try:
            super().run()
        except Exception as error:  # noqa: BLE001 (compilers fail in many ways)
            _fall_back(error)
            for extension in self.extensions:
                Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
            self.extensions = []

"""Run the public tests of Flink Agents on tamias's package `flink_agents`.

The tests find files of their own by their place in the repository. So the view that they run in has
its shape: `python/flink_agents` with the modules from here and the test folders of the checkout,
and links to all else that the checkout has.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

PACKAGE: Final = Path(__file__).parents[1] / "flink_agents" / "package" / "flink_agents"
FOLDERS: Final = ("api", "plan", "runtime", "integrations", "cli")
"""Those whose tests need no cluster."""
VIEW: Final = "TAMIAS_FLINK_AGENTS_VIEW"
WHOLE: Final = ("e2e_tests", "examples")
"""Folders of programs, which the view has as they are."""


def main() -> int:
    """Run the tests; return 0 if all have passed."""
    parser = argparse.ArgumentParser(description="Run Flink Agents' tests on tamias.")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("paths", nargs="*", help="below python/flink_agents")
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:split])
    checkout: Path = arguments.checkout.resolve()
    dialect = dialect_of(checkout)
    with tempfile.TemporaryDirectory(prefix="flink-agents-tests-") as folder:
        view = Path(folder)
        package = make_view(view, checkout)
        results = view / "results.xml"
        paths = arguments.paths or [name for name in FOLDERS if _has_tests(package / name)]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--import-mode=importlib",
            "-c",
            os.devnull,
        ]
        command += ["--rootdir", str(view / "python"), "-p", "no:cacheprovider", "-p", "no:anyio"]
        command += ["--continue-on-collection-errors"]
        command += [
            "--timeout=120",
            f"--junit-xml={results}",
            "--no-header",
            "-o",
            "junit_family=xunit1",
        ]
        command += [str(package / path) for path in paths] + words[split + 1 :]
        _find_by(VIEW)
        environment = {
            **os.environ,
            VIEW: str(view / "python"),
            "PYTHONPATH": str(view / "python"),
            "TAMIAS_FLINK_AGENTS": dialect,
        }
        subprocess.run(command, cwd=view, env=environment, check=False)
        return _table(results, view, dialect)


def _find_by(variable: str) -> None:
    """Let each process of this environment look in the folder that a variable names first.

    Some tests set PYTHONPATH themselves, for a package that is installed.
    """
    path = Path(sysconfig.get_path("purelib"), "flink_agents_view.pth")
    path.write_text(
        f"import os, sys; sys.path[:0] = filter(None, [os.environ.get({variable!r})])\n",
        encoding="utf-8",
    )


def dialect_of(checkout: Path) -> str:
    """The dialect of a checkout, by its version."""
    text = (checkout / "python" / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version\s*=\s*"(\d+)\.(\d+)', text, re.MULTILINE)
    if found is None:
        sys.exit(
            f"{checkout} has no sources of Flink Agents: python/pyproject.toml says no version."
        )
    return f"{found[1]}.{found[2]}"


def _has_tests(folder: Path) -> bool:
    return any(folder.rglob("tests/test_*.py"))


def make_view(view: Path, checkout: Path) -> Path:
    """Make a folder that looks like the checkout; return its package."""
    for each in checkout.iterdir():
        if each.name != "python":
            (view / each.name).symlink_to(each)
    package = view / "python" / "flink_agents"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    theirs = checkout / "python" / "flink_agents"
    for each in sorted(theirs.rglob("tests")):
        target = package / each.relative_to(theirs)
        if not target.exists() and each.relative_to(theirs).parts[0] not in WHOLE:
            shutil.copytree(each, target)
            for parent in target.relative_to(package).parents:
                (package / parent / "__init__.py").touch()
    for name in WHOLE:
        shutil.copytree(theirs / name, package / name)  # a link would lead to the real package
    return package


def _table(results: Path, view: Path, dialect: str) -> int:
    if not results.exists():
        return 2
    outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for case in ET.parse(results).iter("testcase"):  # noqa: S314 (made by the run above)
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        name = case.get("file", "")
        is_collected = all("collection" not in child.get("message", "") for child in case)
        if is_collected:
            outcomes[name][min(kinds, default="passed")] += 1
        else:  # a file that cannot be imported: none of its tests pass
            text = (view / "python" / name).read_text(encoding="utf-8")
            outcomes[name]["error"] += len(
                re.findall(r"^ *(?:async )?def test_", text, re.MULTILINE)
            )
    total: Counter[str] = Counter()
    print(f"\nFlink Agents {dialect}: passed of run, skipped")
    for name, counts in sorted(outcomes.items()):
        run = sum(counts.values()) - counts["skipped"]
        total.update(counts)
        print(f"{counts['passed']:4} of {run:4} {counts['skipped'] or '':>4}  {name}")
    run = sum(total.values()) - total["skipped"]
    share = 100 * total["passed"] / max(1, run)
    print(f"{total['passed']:4} of {run:4} {total['skipped'] or '':>4}  all: {share:.1f} %")
    return 0 if total["passed"] == run else 1


if __name__ == "__main__":
    sys.exit(main())

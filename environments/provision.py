"""Turns an `EnvironmentSpec` into a `Launch`: makes the environment, completes it, checks it.

    spec ──► interpreter ──► files, venv, requirements ──► layer ──► check ──► Launch
               found           made once, in the cache      cached    always

Everything that takes time is kept in the cache, under a digest of what defines it: contents of
requirements, archives and files, version and path of the interpreter. So the same spec is the same
environment for every launcher, and a changed file gives another environment, beside the first.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..agent.errors import EnvironmentSetupError
from .builders.archives import prepare_interpreter
from .builders.installing import Installer
from .builders.probe import check
from .builders.runtime_layer import layer_entry, link_entry, needs
from .builders.unpacking import unpack
from .cache import Cache
from .digest import content_of, digest, requirements_in
from .interpreters import PythonInfo, UnusableInterpreterError, ask, check_version, find
from .launch import Launch
from .variables import worker_variables

if TYPE_CHECKING:
    from .cache import CacheEntry
    from .spec import EnvironmentSpec


FILES: Final = "files"
"""The folder of archives and files in an entry of the cache; workers find it as TAMIAS_FILES."""

_LOG: Final = logging.getLogger("tamias.environments")


def provision(spec: EnvironmentSpec, cache: Path | None = None) -> Launch:
    """Return an environment, made if the cache has none, and check that it works.

    The result keeps its entries in the cache from being pruned, for as long as it exists.

    Args:
        spec: describes it.
        cache: the folder of the cache; None: the default one.

    Raises:
        EnvironmentSetupError: it cannot be made, or does not work; nothing else is changed.
    """
    store = Cache(cache)
    entry = None
    variables: dict[str, str] = {}
    if spec.builds:
        entry, interpreter, variables = _made(spec, store)
    else:
        interpreter = _found(spec)
    is_own = interpreter.path == sys.executable
    link = link_entry(store)
    layer = None if is_own else layer_entry(store, interpreter, spec.installer)
    files = None if entry is None else entry.folder / FILES
    if files is not None and files.is_dir():
        variables["TAMIAS_FILES"] = str(files)
    launch = Launch(
        python=interpreter.path,
        version=interpreter.version,
        paths=tuple(str(part.folder) for part in (link, layer) if part is not None),
        pythonpath=tuple(_resolved(spec, path, files) for path in spec.pythonpath),
        variables=worker_variables(
            os.environ,
            spec.inherit,
            {**variables, **spec.variables},
            interpreter.path,
            is_virtual=interpreter.is_virtual,
        ),
        folder=_resolved(spec, spec.folder, files) if spec.folder else None,
        locks=(entry, link, layer),
    )
    _check_folders(launch)
    check(launch, [] if layer is None else layer.record["packages"], [] if is_own else needs())
    return launch


def _found(spec: EnvironmentSpec) -> PythonInfo:
    """Return the interpreter of an environment without files; the launcher's by default."""
    return find(spec.python or sys.executable)


def _resolved(spec: EnvironmentSpec, path: str, files: Path | None) -> str:
    return str(files / path) if files is not None and spec.is_inside(path) else path


def _check_folders(launch: Launch) -> None:
    for path in launch.pythonpath:
        if not Path(path).exists():
            raise EnvironmentSetupError(
                f"There is no {path} for pythonpath.", hint="Check the environment's paths."
            )
    if launch.folder is not None and not Path(launch.folder).is_dir():
        raise EnvironmentSetupError(
            f"There is no directory {launch.folder} for workers to be in.",
            hint="Create it, or name another.",
        )


def _made(spec: EnvironmentSpec, cache: Cache) -> tuple[CacheEntry, PythonInfo, dict[str, str]]:
    """Return the environment's cache entry, its interpreter and the variables that needs."""
    is_packed = spec.is_inside(spec.python) and not spec.is_version
    base = None
    if not is_packed:
        base = _found(spec) if not spec.requirements else find(spec.python)
    requirements = requirements_in(spec.requirements)
    definition = {
        "python": spec.python if base is None else base.identity(),
        "requirements": requirements,
        "archives": [[item.name, content_of(Path(item.path))] for item in spec.archives],
        "files": [[item.name, content_of(Path(item.path))] for item in spec.files],
    }
    name = f"env-{digest(definition)}"

    def build(folder: Path, lock: int) -> dict[str, Any]:
        return _build(spec, base, folder, lock)

    entry = cache.obtain(name, build)
    record = entry.record
    variables = dict(record["variables"])
    try:
        interpreter = ask(record["python"], variables)
    except UnusableInterpreterError as error:
        raise EnvironmentSetupError(
            f"The environment's interpreter does not start any more: {error}",
            hint=f"Remove {entry.folder}, and the environment is made anew.",
        ) from error
    return entry, interpreter, variables


def _build(
    spec: EnvironmentSpec, base: PythonInfo | None, folder: Path, lock: int
) -> dict[str, Any]:
    """Fill an entry's folder; return its record."""
    files = folder / FILES
    left_out = []
    if spec.archives or spec.files:
        files.mkdir()
    for item in spec.archives:
        _LOG.info("unpacking %s", item.path)
        left_out += unpack(Path(item.path), files / item.name)
    for item in spec.files:
        _copy(Path(item.path), files / item.name)
    variables: dict[str, str] = {}
    is_packed = base is None
    if base is None:
        base, variables = prepare_interpreter(files, spec.python, left_out, lock)
        check_version(base)
    python = base.path
    if spec.requirements and variables:
        raise EnvironmentSetupError(
            f"{spec.python} needs PYTHONHOME, so requirements cannot be put on top of it.",
            hint="Pack what is required into the archive.",
        )
    if spec.requirements:
        installer = Installer(spec.installer, lock)
        _LOG.info("making an environment of Python %s with %s", base.version, installer.name)
        python = installer.make_venv(base, folder / "venv")
        if is_packed or base.is_virtual:
            installer.add_site_folders(python, base.site)
        arguments, where = _requirements(spec, folder)
        what = "install the requirements"
        installer.install(python, arguments, what, base=base.path, folder=where)
    return {
        "python": python,
        "version": base.version,
        "variables": variables,
        "asked": {
            name: value
            for name, value in spec.to_mapping().items()
            if name in {"python", "requirements", "archives", "files"}
        },
    }


def _requirements(spec: EnvironmentSpec, folder: Path) -> tuple[list[str], Path]:
    """Return the installer's arguments, and the folder that relative paths in them start from."""
    if isinstance(spec.requirements, str):
        return ["-r", spec.requirements], Path(spec.requirements).parent
    file = folder / "requirements.txt"
    file.write_text("".join(f"{line}\n" for line in spec.requirements), encoding="utf-8")
    return ["-r", str(file)], Path.cwd()


def _copy(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, target, ignore_dangling_symlinks=True)
    else:
        shutil.copy2(path, target)

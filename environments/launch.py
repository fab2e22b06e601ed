"""Starts the interpreter of an environment: its command, its variables, its import of tamias.

Another environment does not contain tamias, and must not import the packages of the launcher's. So
its interpreter is not started with `-m`, but with a few lines of Python. They put the folders of
`Launch.paths` at the *end* of `sys.path`, where they hide no module of the user's, and load tamias
from there, even if the environment has a tamias of its own: launcher and worker must have the same
version. The lines are part of the command, so no file has to be found, and no environment variable
is set: a process that an agent starts with `sys.executable` has the plain environment.

The launcher's own interpreter is started in the same way, for another reason: the working directory
and the folders of PYTHONPATH are the user's, and a `queue.py` in one of them must not be imported
instead of Python's. So they are on `sys.path` only after tamias and all that it needs are loaded.
Where packages are installed is no such folder, even if PYTHONPATH names it.

A zygote runs below a reaper (`worker/process/reaper.py`), which is forked first.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_START: Final = """\
import sys
def start():
    import os
    library = os.path.dirname(os.__file__)
    place = sys.path.index(library) if library in sys.path else 0
    site = sys.modules.get("site")
    sites = set(site.getsitepackages() if site else ())
    users = [path for path in sys.path[:place] if not path.endswith(".zip") and path not in sites]
    sites.intersection_update(sys.path[:place])
    given = [path for path in sys.path if path and path not in users and path not in sites]
    given = sys.path[:] = [*given, *sites]
    from importlib import import_module, util
    from importlib.machinery import PathFinder
    from json import loads
    first, last, has_reaper, before = loads(sys.argv.pop(1))
    module, _, function = sys.argv.pop(1).partition(":")
    own = [path for path in dict.fromkeys(last) if path not in given]
    sys.path += own
    spec = PathFinder.find_spec("tamias", last) or util.find_spec("tamias")
    if spec is None:
        sys.path += users
        spec = util.find_spec("tamias")
    if has_reaper:
        reaper = os.path.join(spec.submodule_search_locations[0], "worker/process/reaper.py")
        found = util.spec_from_file_location("_tamias_reaper", reaper)
        module_of = util.module_from_spec(found)
        found.loader.exec_module(module_of)
        module_of.fork_zygote(sys.argv[1])
    if "tamias" not in sys.modules:
        sys.modules["tamias"] = tamias = util.module_from_spec(spec)
        spec.loader.exec_module(tamias)
    for name in before:
        import_module(name)
    found = import_module(module)
    sys.path[:] = [path or os.getcwd() for path in users] + given
    sys.path += dict.fromkeys(path for path in [*first, *own] if path not in sys.path)
    return getattr(found, function)() if function else 0
sys.exit(start())
"""


@dataclass(frozen=True, slots=True)
class Launch:
    """All that is needed to start the interpreter of an environment."""

    python: str
    """The executable."""
    version: str = ""
    """Its version, as "3.12.1"; empty for that of the launcher."""
    paths: tuple[str, ...] = ()
    """Folders for the end of `sys.path`: tamias, and the libraries that it needs, for environments
    without them."""
    pythonpath: tuple[str, ...] = ()
    """The user's folders of modules, which children of the agent find, too."""
    variables: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    """All environment variables but PYTHONPATH."""
    folder: str | None = None
    """The working directory; None for the launcher's."""
    locks: Any = field(default=None, repr=False, compare=False)
    """Keeps the environment's files from being pruned, for as long as this object exists."""

    @classmethod
    def own(cls) -> Launch:
        """The launcher's own interpreter, with the tamias that the launcher has imported.

        That may be one of a folder of PYTHONPATH, beside another that is installed. A checkout has
        no folder in which tamias is to be found by its name: there the installation leads to it.
        """
        package = Path(__file__).parents[1]
        return cls(sys.executable, paths=(str(package.parent),) if package.name == "tamias" else ())

    @property
    def minor(self) -> tuple[int, int]:
        """The part of the version that decides which code pickled by value can be loaded."""
        major, minor, *_ = self.version.split(".") if self.version else sys.version_info[:2]
        return int(major), int(minor)

    @property
    def is_foreign(self) -> bool:
        """Whether code pickled by value in this process cannot be loaded there."""
        return self.minor != sys.version_info[:2]

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables of the process."""
        if not self.pythonpath:
            return self.variables
        return {**self.variables, "PYTHONPATH": os.pathsep.join(self.pythonpath)}

    def command(
        self,
        program: str,
        *arguments: str,
        folders: Sequence[str] = (),
        has_reaper: bool = False,
        before: Sequence[str] = (),
    ) -> list[str]:
        """Return the command that imports a module and calls a function in it.

        Args:
            program: `module:function`; without a function the module is only imported.
            arguments: the rest of its `sys.argv`.
            folders: where the agent's modules are; they come before `paths` on `sys.path`.
            has_reaper: whether the first of `arguments` is for a reaper, which is forked first.
            before: modules to import before it, while the user's folders are not on `sys.path`.
        """
        paths = json.dumps([list(folders), self.paths, has_reaper, list(before)])
        return [self.python, "-c", _START, paths, program, *arguments]

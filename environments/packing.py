"""Packs agents and inputs for an interpreter of another version, or with other packages.

Classes and functions of modules are pickled by name, and names are valid in every version. What has
no importable name (classes and functions of `__main__`, lambdas, classes made in functions) is
pickled by value, as compiled code. Another minor version refuses such code, or crashes.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
import site
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from ..agent.errors import AgentDefinitionError, InputError, UsageError
from ..worker.process.boot import pack_agent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..agent.agent import Agent
    from ..agent.resources.resource import ResourceType
    from .launch import Launch

_MAIN: Final = "__main__"


class _ByNameOnly(pickle.Pickler):
    """A pickler that refuses what belongs to `__main__`; what has no name fails anyway."""

    def reducer_override(self, value: Any) -> Any:
        if getattr(value, "__module__", None) == _MAIN and hasattr(value, "__qualname__"):
            raise pickle.PicklingError(f"{value.__qualname__} belongs to {_MAIN}")
        return NotImplemented


def by_name(value: Any) -> bytes:
    """Return a pickle of `value` that another minor version can load.

    Raises:
        UsageError: a part of it can only be pickled by value.
    """
    file = io.BytesIO()
    try:
        _ByNameOnly(file, 5).dump(value)
    except Exception as error:
        raise UsageError(str(error)) from error
    return file.getvalue()


def packed_for(
    launch: Launch | None, agent: Agent | type[Agent], resources: dict[ResourceType, dict[str, Any]]
) -> str:
    """Return an agent and resources, packed as `Boot.agent` for the interpreter of `launch`.

    Raises:
        AgentDefinitionError: that has another version, and the agent or a part of it belongs to
            `__main__`.
    """
    if launch is None or not launch.is_foreign:
        return pack_agent(agent, resources)
    try:
        return base64.b64encode(by_name((agent, resources))).decode()
    except UsageError as error:
        raise AgentDefinitionError(
            f"The agent cannot go from Python {_dotted(sys.version_info[:2])} to Python "
            f"{_dotted(launch.minor)}: {error.message}, so it would be pickled as compiled code, "
            "which another version cannot load.",
            hint="Put it into a module and import it, or name it: "
            'apply("path/to/file.py:name") or apply("package.module:name").',
        ) from error


def portable_inputs(elements: Iterable[Any], launch: Launch | None) -> Iterable[Any]:
    """Return the inputs; each is checked when it is read, if it goes to another version."""
    return elements if launch is None or not launch.is_foreign else _checked(elements, launch)


def _checked(elements: Iterable[Any], launch: Launch) -> Iterator[Any]:
    for index, element in enumerate(elements):
        try:
            by_name(element)
        except UsageError as error:
            raise InputError(
                f"Element {index} of the input cannot go to Python {_dotted(launch.minor)}: "
                f"{error.message}.",
                hint="Give it plain data, or classes of a module that can be imported there.",
            ) from error
        yield element


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def own_folders(launch: Launch | None) -> list[str]:
    """Return the part of `sys.path` that a worker must have, too.

    In the launcher's own environment that is all of it. In another one it is what the program and
    its user have added, without the folders of this interpreter and of its packages.
    """
    if launch is None:
        return sys.path
    code = "import json, sys; print(json.dumps(sys.path))"
    printed = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    known = {*json.loads(printed.stdout), site.getusersitepackages()}
    return [path for path in sys.path if path not in known]

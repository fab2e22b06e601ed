"""What of this process can go to an interpreter of another version, or with other packages.

Values, and classes and functions of modules, are pickled by name, and names cross versions. What
has no name elsewhere (classes and functions of `__main__`, lambdas, classes made in functions) is
pickled by value, as compiled code, and that means something else to another minor version: at best
it is refused there, at worst it crashes.
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
    """A pickler that refuses what is of `__main__`; what has no name at all fails by itself."""

    def reducer_override(self, value: Any) -> Any:
        if getattr(value, "__module__", None) == _MAIN and hasattr(value, "__qualname__"):
            raise pickle.PicklingError(f"{value.__qualname__} belongs to {_MAIN}")
        return NotImplemented


def by_name(value: Any) -> bytes:
    """A pickle of `value` that another minor version can load.

    Raises:
        UsageError: there is something in it that could only go by value.
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
    """An agent and resources as `Boot.agent` carries them to the interpreter of `launch`.

    Raises:
        AgentDefinitionError: its version is another, and the agent is of `__main__`, or has parts
            that are.
    """
    if launch is None or not launch.is_foreign:
        return pack_agent(agent, resources)
    try:
        return base64.b64encode(by_name((agent, resources))).decode()
    except UsageError as error:
        raise AgentDefinitionError(
            f"The agent cannot go from Python {_dotted(sys.version_info[:2])} to Python "
            f"{_dotted(launch.minor)}: {error.message}, so it would go as compiled code, which "
            "does not cross versions.",
            hint="Put it into a module and import it, or name it: "
            'apply("path/to/file.py:name") or apply("package.module:name").',
        ) from error


def portable_inputs(elements: Iterable[Any], launch: Launch | None) -> Iterable[Any]:
    """The inputs, looked at on their way where they go to another version."""
    return elements if launch is None or not launch.is_foreign else _looked_at(elements, launch)


def _looked_at(elements: Iterable[Any], launch: Launch) -> Iterator[Any]:
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
    """The part of `sys.path` that a worker is to have, too.

    In this interpreter's own environment that is all of it. In another one it is what the program
    and its user have added; what this interpreter finds by itself, its packages above all, is not
    the other's business.
    """
    if launch is None:
        return sys.path
    code = "import json, sys; print(json.dumps(sys.path))"
    said = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    known = {*json.loads(said.stdout), site.getusersitepackages()}
    return [path for path in sys.path if path not in known]

"""Turn the `environment` section of a configuration into a `Launch`.

The modules that make environments are imported only when a job asks for one: most jobs do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .launch import Launch


def provide_launch(environment: dict[str, Any]) -> Launch | None:
    """Return how to start the interpreter of an environment; make the environment if needed.

    None means the launcher's own interpreter, if nothing is asked for.

    Raises:
        EnvironmentSetupError: it cannot be made, or does not work.
    """
    if not environment:
        return None
    from .provision import provision  # noqa: PLC0415 (few jobs pay for it)
    from .spec import EnvironmentSpec  # noqa: PLC0415

    return provision(EnvironmentSpec.of(environment))

"""Arguments of resources, checked before a pool has workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ...agent.errors import AgentDefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

__all__ = ["check_arguments"]


def check_arguments(clazz: type[BaseModel], arguments: Mapping[str, Any]) -> None:
    """Make an instance and drop it: for classes of which that has no other effect.

    Raises:
        AgentDefinitionError: an argument is unknown, missing, or has a wrong value. Values are not
            shown: one of them may be a key.
    """
    try:
        clazz(**arguments)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False, include_context=False)
        )
        msg = f"The arguments of {clazz.__qualname__} are wrong: {wrong}."
        raise AgentDefinitionError(msg, hint=f"It takes {_names(clazz)}.") from None


def _names(clazz: type[BaseModel]) -> str:
    names = [name for name in clazz.model_fields if name != "get_resource"]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)

"""Finds what a document names in Python: functions, and classes of resources."""

from __future__ import annotations

import inspect
import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..failures.error_text import one_line, traceback_of
from .aliases import class_names
from .problems import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..resources.resource import Resource, ResourceType

_CLOSE = 0.75


class NotFoundInPythonError(Exception):
    """There is no such function or class; says why."""


def find_function(reference: str) -> Any:
    """Return the function that ``module:name`` or ``module:Class.name`` names.

    Raises:
        NotFoundInPythonError: there is none.
    """
    found = find_object(reference)
    if not callable(found):
        raise NotFoundInPythonError(f"{reference} is {type(found).__name__}, not a function")
    return found


def find_object(reference: str) -> Any:
    """Return what ``module:name`` or ``module:Class.name`` names.

    Raises:
        NotFoundInPythonError: there is nothing.
    """
    name, _, path = reference.partition(":")
    if name.endswith(".py") or "/" in name:
        module = name.removesuffix(".py").replace("/", ".").lstrip(".")
        raise NotFoundInPythonError(f"{name} is a file; write its module: {module}:{path}")
    found: Any = _imported(name)
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            names = [each for each in dir(found) if not each.startswith("_")]
            raise NotFoundInPythonError(
                f"{name} has no {path!r}{did_you_mean(part, names)}"
            ) from None
    return found


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if not f"{name}.".startswith(f"{missing}."):
            raise NotFoundInPythonError(_import_failure(name, error)) from None
        which = "" if missing == name else f" (there is no {missing})"
        raise NotFoundInPythonError(
            f"there is no module {name}{which}; modules are looked for beside the document, and"
            " where the workers' Python finds any"
        ) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 (the module's own code)
        raise NotFoundInPythonError(_import_failure(name, error)) from None


def _import_failure(name: str, error: BaseException) -> str:
    frames = [
        frame
        for frame in traceback.extract_tb(traceback_of(error))
        if "importlib" not in frame.filename and frame.filename != __file__
    ]
    file, line = (frames[-1].filename, frames[-1].lineno) if frames else ("", 0)
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno or 0
    where = f" ({file}, line {line})" if file else ""
    return f"{name} cannot be imported: {one_line(error)}{where}"


def full_class_name(clazz: str, kind: ResourceType, *, java: bool) -> str:
    """Return the full name of a class that a descriptor names in short or in full.

    Raises:
        NotFoundInPythonError: it is neither a short name nor a dotted one.
    """
    short = class_names(kind, java=java)
    found = short.get(clazz, clazz)
    if "." not in found:
        other = class_names(kind, java=not java)
        language = "python" if java else "java"
        if clazz in other:
            raise NotFoundInPythonError(f"{clazz} needs `type: {language}`")
        raise NotFoundInPythonError(
            f"there is no class {clazz!r}{did_you_mean(clazz, short)}; write a full name,"
            f" package.module.Class, or one of: {', '.join(short) or '(none)'}"
        )
    return found


def unknown_arguments(clazz: type[Resource], arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the arguments that a resource's class would drop, each with what to say of it.

    A class that takes arguments of any name itself may do something with them: there, only names
    that are nearly those of its fields are mistakes.
    """
    extra = clazz.model_config.get("extra")
    if extra == "allow":
        return {}
    known = {name for name in clazz.model_fields if name != "get_resource"}
    known |= {field.alias for field in clazz.model_fields.values() if field.alias}
    takes_any = False
    for parameter in _constructor_parameters(clazz):
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            takes_any = extra != "forbid"
        else:
            known.add(parameter.name)
    unknown = {}
    for name in arguments:
        if name in known:
            continue
        close = get_close_matches(name, known, n=1, cutoff=_CLOSE)
        if close or not takes_any:
            guess = f" (did you mean {close[0]}?)" if close else ""
            there_are = f"; there are: {', '.join(sorted(known))}"
            unknown[name] = f"{clazz.__name__} has no such argument{guess}{there_are}"
    return unknown


def _constructor_parameters(clazz: type[Resource]) -> list[inspect.Parameter]:
    """The parameters of constructors that are written by hand, in the class or its bases."""
    parameters: list[inspect.Parameter] = []
    for base in clazz.__mro__:
        constructor = base.__dict__.get("__init__")
        if base.__module__.partition(".")[0] == "pydantic":
            break
        if constructor is not None and base.__module__ in sys.modules:
            parameters += list(inspect.signature(constructor).parameters.values())[1:]
    return parameters

"""The identity of a durable call: a fingerprint of function and arguments.

A replay must recognise a recorded call, in another process and perhaps another life of the job.
Pickled arguments are the obvious identity, but pickles of equal values may differ: sets iterate in
hash order, which for strings changes from process to process; the pickler writes a back-reference
where two equal strings are one object; and a class of `__main__` is pickled by value under a random
id. So a value is taken apart, by the protocol that pickle uses, and only its contents are digested.

Arguments are identified by all of their contents. A value that a function carries (the object of a
bound method, the variables of a closure) is often a client, a model or the context, which cannot be
taken apart, or which has other contents after each use. So a call has up to three digests:

- `fingerprint`: with the contents of carried values if possible, else with their types. A lambda
  has no name, so the names and constants in its code are used in place of one. All versions of
  tamias have recorded this digest, so it never changes.
- `stable`, where a carried value can change: with the types of such values instead.
- `code`, where a function has no name of its own: with its bytecode, too. Two lambdas may differ
  in nothing else, as `lambda: x + y` and `lambda: x - y`. Bytecode is the same in all processes of
  one version of Python, and only there, so it comes with that version's mark.

How they decide whether a record is of a call: see `CallRecord`.
"""

from __future__ import annotations

import copyreg
import dataclasses
import datetime as dt
import importlib.util
import inspect
import re
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from hashlib import blake2b
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from ...agent.context import RunnerContext
from ...agent.errors import UnserializableError
from ...agent.failures.error_text import one_line
from ...agent.limits.limited_call import LimitedCall
from ...agent.memory import MemoryObject
from ...agent.naming.moved import first_module, former_module
from ...agent.resources.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST_BYTES: Final = 16

_FUNCTIONS: Final = (FunctionType, BuiltinFunctionType, MethodType, partial)

_SCALARS: Final = frozenset({str, bytes, int, float, complex, bool, type(None)})

_IMMUTABLE: Final = (
    *(tuple, frozenset, range, Enum, UUID, PurePath, Decimal, Fraction, re.Pattern),
    *(dt.date, dt.time, dt.timedelta, dt.tzinfo),
)
"""Types whose values stay what they are; what a tuple contains is looked at, too."""

PYTHON: Final = importlib.util.MAGIC_NUMBER[:2]
"""The mark of this version's bytecode."""


class CallIdentity(NamedTuple):
    """What a durable call is recognised by; see the module's text."""

    fingerprint: bytes
    code: bytes = b""
    """`PYTHON`, then `L` if there is a lambda and `F` otherwise, then a digest."""
    stable: bytes = b""


class _Walk:
    """What counts while a call is taken apart, and what was found."""

    __slots__ = ("code", "found_function", "found_lambda", "found_state", "inside", "stateless")

    def __init__(self, *, stateless: bool = False, code: bool = False) -> None:
        self.stateless = stateless
        self.code = code
        self.inside = 0
        """How many carried values are being taken apart, one inside another."""
        self.found_function = False
        self.found_lambda = False
        self.found_state = False


def function_name(function: Callable[..., Any]) -> str:
    """A stable, readable name: module and qualified name of the function or its class.

    Functions of tamias itself keep the name that older versions have recorded.
    """
    if isinstance(function, LimitedCall):
        function = function.function
    while isinstance(function, partial):
        function = function.func
    if getattr(function, "__qualname__", None) is None:
        return _type_name(type(function))
    module = getattr(function, "__module__", None)
    return f"{former_module(module or type(function).__module__)}.{function.__qualname__}"


class KnownFunction(NamedTuple):
    """What is known of a function that is made once, when its module is imported."""

    name: str
    head: bytes
    """What a digest of a call of it begins with."""
    is_async: bool
    """Whether it is a coroutine function."""


_KNOWN: Final[dict[Callable[..., Any], KnownFunction]] = {}
_MOST_KNOWN: Final = 1024


def known_function(function: Callable[..., Any]) -> KnownFunction | None:
    """What is known of a function; None if it carries values, or is no plain function."""
    if function.__class__ is not FunctionType:
        return None
    known = _KNOWN.get(function)
    if known is None:
        name = function_name(function)
        if "<" in name or function.__closure__:
            return None
        encoded = name.encode()
        known = KnownFunction(
            name, b"f%d:%b" % (len(encoded), encoded), inspect.iscoroutinefunction(function)
        )
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[function] = known
    return known


def _plain_digest(head: bytes, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes | None:
    """What `_digest_call` returns for plain arguments; None if there are others."""
    parts = [head, b"t%d:%d" % (len(b"%d" % len(args)), len(args))]
    for value in args:
        part = _plain_part(value)
        if part is None:
            part = _plain_dict(value) if value.__class__ is dict else None
        if part is None:
            return None
        parts.append(part)
    named = _plain_dict(kwargs)
    if named is None:
        return None
    parts.append(named)
    return blake2b(b"".join(parts), digest_size=DIGEST_BYTES).digest()


def _plain_dict(values: dict[Any, Any]) -> bytes | None:
    """What `_Digest.add` adds for a dict of scalars; None for another one."""
    digests = []
    for name, value in values.items():
        key, part = _plain_part(name), _plain_part(value)
        if key is None or part is None:
            return None
        digests.append(blake2b(key + part, digest_size=DIGEST_BYTES).digest())
    digests.sort()
    return b"d%d:%b" % (len(digests) * DIGEST_BYTES, b"".join(digests))


def _plain_part(value: Any) -> bytes | None:
    """What `_Digest.add` adds for a scalar; None for another value."""
    kind = value.__class__
    if kind is str:
        data = value.encode("utf-8", "surrogatepass")
        return b"s%d:%b" % (len(data), data)
    if kind is bytes:
        return b"b%d:%b" % (len(value), value)
    if kind in _SCALARS:
        data = repr(value).encode()
        return b"%b%d:%b" % (kind.__name__.encode(), len(data), data)
    return None


def identify_call(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> CallIdentity:
    """The identity of a call of `function` with these arguments.

    Raises:
        UnserializableError: an argument cannot be pickled.
    """
    known = known_function(function)
    if known is None and isinstance(function, LimitedCall):
        args = (*function.arguments, *args)
        function = function.function
        known = known_function(function)
    plain = None if known is None else _plain_digest(known.head, args, kwargs)
    if plain is not None:
        return CallIdentity(plain)
    walk = _Walk()
    try:
        fingerprint = _digest_call(walk, function, args, kwargs)
        code = stable = b""
        if walk.found_function:
            kind = b"L" if walk.found_lambda else b"F"
            with_code = _Walk(stateless=True, code=True)
            code = PYTHON + kind + _digest_call(with_code, function, args, kwargs)
        if walk.found_state:
            stable = _digest_call(_Walk(stateless=True), function, args, kwargs)
    except RecursionError:
        raise UnserializableError(
            f"the arguments of {function_name(function)} are nested too deeply to be told apart"
        ) from None
    except UnserializableError:
        raise
    except Exception as error:
        raise UnserializableError(
            f"the arguments of {function_name(function)} cannot be told apart: {one_line(error)}"
        ) from error
    return CallIdentity(fingerprint, code, stable)


def has_changed(
    call: CallIdentity,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> bool:
    """Whether the arguments of a call have other contents than when it was identified."""
    for values in (args, kwargs.values()):
        for value in values:
            if value.__class__ not in _SCALARS:
                return _has_changed(call, function, args, kwargs)
    return False


def _has_changed(
    call: CallIdentity,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> bool:
    try:
        now = identify_call(function, args, kwargs)
    except UnserializableError:
        return True
    return now.stable != call.stable if call.stable else now.fingerprint != call.fingerprint


def _digest_call(
    walk: _Walk, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bytes:
    digest = _Digest(walk, {})
    digest.add_function(function)
    digest.add(args)
    digest.add(kwargs)
    return digest.digest()


class _Digest:
    """A digest in the making. `above` holds, by id, the objects that are being taken apart."""

    def __init__(self, walk: _Walk, above: dict[int, int]) -> None:
        self._hash = blake2b(digest_size=DIGEST_BYTES)
        self._walk = walk
        self._above = above

    def digest(self) -> bytes:
        """The digest of all that was added."""
        return self._hash.digest()

    def _update(self, tag: bytes, data: bytes = b"") -> None:
        self._hash.update(b"%b%d:%b" % (tag, len(data), data))

    def add(self, value: Any) -> None:
        """Add a value by its contents.

        Raises:
            UnserializableError: it contains something that cannot be pickled.
        """
        kind = type(value)
        if kind is str:
            self._update(b"s", value.encode("utf-8", "surrogatepass"))
        elif kind is bytes:
            self._update(b"b", value)
        elif value is None or kind in (int, float, complex, bool):
            self._update(kind.__name__.encode(), repr(value).encode())
        elif isinstance(value, type):
            self._update(b"c", _type_name(value).encode())
        elif isinstance(value, ModuleType):
            self._update(b"m", value.__name__.encode())
        else:
            self._add_compound(value, kind)

    def _add_compound(self, value: Any, kind: type) -> None:
        if self._walk.inside and not _is_immutable(value, kind):
            self._walk.found_state = True
            if self._walk.stateless:
                self.add(kind)
                return
        if id(value) in self._above:
            self._update(b"^", b"%d" % self._above[id(value)])
            return
        self._above[id(value)] = len(self._above)
        try:
            if kind in (list, tuple):
                self._update(b"l" if kind is list else b"t", b"%d" % len(value))
                for item in value:
                    self.add(item)
            elif kind in (set, frozenset):
                self._add_unordered(b"S", [(item,) for item in value])
            elif kind is dict:
                self._add_unordered(b"d", list(value.items()))
            elif isinstance(value, _FUNCTIONS):
                self.add_function(value)
            elif isinstance(value, CodeType):
                self.add((value.co_names, value.co_freevars, value.co_consts))
                if self._walk.code:
                    self._add_bytecode(value)
            else:
                self._add_object(value, kind)
        finally:
            del self._above[id(value)]

    def _add_unordered(self, tag: bytes, entries: list[tuple[Any, ...]]) -> None:
        digests = []
        for entry in entries:
            digest = _Digest(self._walk, self._above)
            for part in entry:
                digest.add(part)
            digests.append(digest.digest())
        self._update(tag, b"".join(sorted(digests)))

    def _add_object(self, value: Any, kind: type) -> None:
        self._update(b"o", _type_name(kind).encode())
        try:
            reducer = copyreg.dispatch_table.get(kind)
            reduced: Any = value.__reduce_ex__(4) if reducer is None else reducer(value)
            if not isinstance(reduced, str):
                make, arguments, *more = reduced
                state, items, pairs = [*more, None, None, None][:3]
                reduced = (make, arguments, state, list(items or ()), list(pairs or ()))
        except Exception as error:
            raise UnserializableError(
                f"a durable call is told from others by its arguments, and one of type "
                f"{_type_name(kind)} cannot be pickled: {one_line(error)}. Pass "
                "plain data, and let the function find the rest itself"
            ) from error
        self.add(reduced)

    # -- functions ----------------------------------------------------------------------------

    def add_function(self, function: Callable[..., Any]) -> None:
        """Add the called function, and the values that it carries."""
        name = function_name(function)
        self._update(b"f", name.encode())
        if isinstance(function, partial):
            self.add_function(function.func)
            self.add((function.args, function.keywords))
        elif isinstance(function, FunctionType):
            if "<" in name:  # a lambda, or one that another function makes when it runs
                self._walk.found_function = True
                self._add_local(function)
            elif function.__closure__:  # it has taken its name from another function
                self._walk.found_function = True
                if self._walk.code:
                    self._add_local(function)
        elif isinstance(function, (MethodType, BuiltinFunctionType)):
            self._add_carried(function.__self__)
        elif not isinstance(function, type):
            self._add_carried(function)

    def _add_local(self, function: FunctionType) -> None:
        code = function.__code__
        if code.co_name == "<lambda>":
            self._walk.found_lambda = True
        if self._walk.code or function.__name__ == "<lambda>":
            self.add(code)
        for default in function.__defaults__ or ():
            self._add_carried(default)
        for name, default in (function.__kwdefaults__ or {}).items():
            self.add(name)
            self._add_carried(default)
        for cell in function.__closure__ or ():
            try:
                self._add_carried(cell.cell_contents)
            except ValueError:  # not filled yet
                self._update(b"e")

    def _add_bytecode(self, code: CodeType) -> None:
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        self.add((code.co_code, code.co_varnames, counts))

    def _add_carried(self, value: Any) -> None:
        """Add a value that a function carries: by its contents if possible, else by its type."""
        if isinstance(value, Resource):
            # Settings identify a model; its other attributes may change from use to use.
            texts = {name: item for name, item in value.__dict__.items() if type(item) is str}
            self.add((type(value), texts))
        elif isinstance(value, (RunnerContext, MemoryObject)):
            self.add(type(value))
        else:
            carried = _Digest(self._walk, dict(self._above))
            self._walk.inside += 1
            try:
                carried.add(value)
            except (UnserializableError, RecursionError):
                self.add(type(value))
            else:
                self._update(b"v", carried.digest())
            finally:
                self._walk.inside -= 1


def _is_immutable(value: Any, kind: type) -> bool:
    """Whether a value, apart from what it contains, stays what it is."""
    if isinstance(value, (*_FUNCTIONS, CodeType)) or issubclass(kind, _IMMUTABLE):
        return True
    parameters = getattr(kind, "__dataclass_params__", None)
    return dataclasses.is_dataclass(kind) and bool(parameters and parameters.frozen)


def _type_name(kind: type) -> str:
    return f"{first_module(kind)}.{kind.__qualname__}"

"""The identity of a durable call: a fingerprint of function and arguments.

A replay must recognise a recorded call, in another process and perhaps another life of the job.
Pickled arguments are the obvious identity, but pickles of equal values may differ: sets iterate in
hash order, which for strings changes from process to process; the pickler writes a back-reference
where two equal strings are one object; and a class of `__main__` is pickled by value under a random
id. So a value is taken apart, by the protocol that pickle uses, and only its contents are digested.

Arguments are identified by all of their contents. A value that a function carries (the object of a
bound method, the variables of a closure) is often a client, a model or the context, which cannot be
taken apart: it is identified by its contents if possible, else by its type. A lambda has no name,
so the names and constants in its code are used in place of one.
"""

from __future__ import annotations

import copyreg
from functools import partial
from hashlib import blake2b
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from ...agent.context import RunnerContext
from ...agent.errors import UnserializableError
from ...agent.memory import MemoryObject
from ...agent.naming.moved import first_module, former_module
from ...agent.resources.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST_BYTES: Final = 16

_FUNCTIONS: Final = (FunctionType, BuiltinFunctionType, MethodType, partial)


def function_name(function: Callable[..., Any]) -> str:
    """A stable, readable name: module and qualified name of the function or its class.

    Functions of tamias itself keep the name that older versions have recorded.
    """
    while isinstance(function, partial):
        function = function.func
    if getattr(function, "__qualname__", None) is None:
        return _type_name(type(function))
    module = getattr(function, "__module__", None)
    return f"{former_module(module or type(function).__module__)}.{function.__qualname__}"


def call_fingerprint(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bytes:
    """Sixteen bytes that stand for a call of `function` with these arguments.

    Raises:
        UnserializableError: an argument cannot be pickled.
    """
    digest = _Digest({})
    try:
        digest.add_function(function)
        digest.add(args)
        digest.add(kwargs)
    except RecursionError:
        raise UnserializableError(
            f"the arguments of {function_name(function)} are nested too deeply to be told apart"
        ) from None
    return digest.digest()


class _Digest:
    """A digest in the making. `above` holds, by id, the objects that are being taken apart."""

    def __init__(self, above: dict[int, int]) -> None:
        self._hash = blake2b(digest_size=DIGEST_BYTES)
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
            else:
                self._add_object(value, kind)
        finally:
            del self._above[id(value)]

    def _add_unordered(self, tag: bytes, entries: list[tuple[Any, ...]]) -> None:
        digests = []
        for entry in entries:
            digest = _Digest(self._above)
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
                f"{_type_name(kind)} cannot be pickled: {type(error).__name__}: {error}. Pass "
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
                self._add_local(function)
        elif isinstance(function, (MethodType, BuiltinFunctionType)):
            self._add_carried(function.__self__)
        elif not isinstance(function, type):
            self._add_carried(function)

    def _add_local(self, function: FunctionType) -> None:
        if function.__name__ == "<lambda>":
            self.add(function.__code__)
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

    def _add_carried(self, value: Any) -> None:
        """Add a value that a function carries: by its contents if possible, else by its type."""
        if isinstance(value, Resource):
            # Settings identify a model; its other attributes may change from use to use.
            texts = {name: item for name, item in value.__dict__.items() if type(item) is str}
            self.add((type(value), texts))
        elif isinstance(value, (RunnerContext, MemoryObject)):
            self.add(type(value))
        else:
            carried = _Digest(dict(self._above))
            try:
                carried.add(value)
            except (UnserializableError, RecursionError):
                self.add(type(value))
            else:
                self._update(b"v", carried.digest())


def _type_name(kind: type) -> str:
    return f"{first_module(kind)}.{kind.__qualname__}"

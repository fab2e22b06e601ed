"""Gives each worker random numbers of its own.

A fork copies the state of every generator of random numbers, so workers and their successors would
all draw the same numbers. Python gives new state to the functions of `random`, and to nothing else.
So the zygote finds all generators of known kinds once its agent is imported, wherever they are kept
(modules, objects, closures), and each worker gives them new state from the operating system:

- Python: `random.Random` and classes derived from it;
- numpy: bit generators, and so `Generator` and the functions of `numpy.random`; seed sequences,
  whose children `spawn` makes;
- PyTorch: the generator for CPUs, and others that a module holds.

A seed that the agent's module has set is replaced, too, as Python does it for `random.seed`.
Generators in other libraries' own code cannot be found; they can be given new state by a function
that the agent's module registers with `os.register_at_fork(after_in_child=...)`.
"""

from __future__ import annotations

import gc
import logging
import random
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Generators = list[tuple[Any, Callable[[Any], object]]]
    """Generators, each with the function that gives it new state."""

_LOG: Final = logging.getLogger("tamias.worker")


def find_generators() -> Generators:
    """All generators of random numbers in this process; to be called before `gc.freeze`.

    Objects are looked at by their type only, since even `isinstance` may run code of theirs.
    """
    kinds = list(_kinds())
    gc.unfreeze()  # the collector does not list objects that an import has frozen
    held = [value for module in list(sys.modules.values()) for value in _values(module)]
    found: dict[int, tuple[Any, Callable[[Any], object]]] = {}
    known: dict[type, Callable[[Any], object] | None] = {}
    for value in (*gc.get_objects(), *held):
        kind = type(value)
        if kind not in known:
            known[kind] = next((renew for of, renew in kinds if issubclass(kind, of)), None)
        renew = known[kind]
        if renew is not None:
            found[id(value)] = (value, renew)
    return list(found.values())


def renew_generators(generators: Generators) -> None:
    """Give these generators new state, which the operating system's random numbers decide on."""
    for generator, renew in generators:
        try:
            renew(generator)
        except Exception as error:  # noqa: BLE001 (a derived class may do anything)
            kind = type(generator)
            _LOG.warning(
                "a generator of type %s gives each worker the same random numbers: %s",
                f"{kind.__module__}.{kind.__qualname__}",
                type(error).__name__,
            )


def _values(module: Any) -> list[Any]:
    try:
        return list(vars(module).values())
    except Exception:  # noqa: BLE001 (a module may be replaced by any object)
        return []


def _kinds() -> Iterator[tuple[type, Callable[[Any], object]]]:
    """Kinds of generators of the libraries that are imported."""
    yield random.Random, _renew_python
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        yield numpy.BitGenerator, _renew_bits
        yield numpy.RandomState, _renew_legacy
        yield numpy.SeedSequence, _renew_sequence
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "Generator"):
        yield torch.Generator, _renew_torch


def _renew_python(generator: Any) -> None:
    try:
        generator.seed()
    except Exception:  # noqa: BLE001 (a derived class may require arguments)
        random.Random.seed(generator)


def _renew_bits(generator: Any) -> None:
    generator.state = type(generator)().state


def _renew_legacy(generator: Any) -> None:
    """Drop what a `RandomState` keeps beside its bits: the second of two normal numbers."""
    state = generator.get_state(legacy=False)
    generator.set_state({**state, "has_gauss": 0, "gauss": 0.0})


def _renew_sequence(sequence: Any) -> None:
    type(sequence).__init__(sequence)


def _renew_torch(generator: Any) -> None:
    if generator.device.type == "cpu":
        generator.seed()

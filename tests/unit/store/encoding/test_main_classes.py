"""Classes of `__main__`: the same class for what this program, and an earlier one, has pickled."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from support.processes import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


SHOP = textwrap.dedent("""
    import sys
    from dataclasses import dataclass
    from enum import Enum
    from tamias import Event
    from tamias.store.encoding.values import dumps, loads

    class Colour(Enum):
        RED = 1

    @dataclass
    class Order:
        colour: Colour
        basket: object = None

        def other(self):
            return Basket(self)

        class Inner:
            pass

    @dataclass
    class Basket:
        order: Order

        def other(self):
            return Order(Colour.RED, self)

    class OddError(Exception):
        def __init__(self, number):
            super().__init__(number)

    class Sold(Event):
        order: Order

    def things():
        return [Order(Colour.RED), Order(Colour.RED).other(), OddError(3), Order.Inner(),
                Sold(order=Order(Colour.RED)), Order, Colour.RED]
    """)
STORE = SHOP + "open(sys.argv[1], 'wb').write(dumps(things()))\n"


def test_an_earlier_programs_values_are_of_this_programs_classes(tmp_path: Path) -> None:
    path = tmp_path / "data"
    assert run(STORE, path).stderr == ""
    program = SHOP + textwrap.dedent("""
        found = loads(open(sys.argv[1], 'rb').read())
        assert [type(one) for one in found] == [type(one) for one in things()]
        assert found[0] == Order(Colour.RED) and found[0].colour is Colour.RED
        assert found[1].order == found[0] and found[2].args == (3,)
        assert found[4] == things()[4] and found[5] is Order and found[6] is Colour.RED
        print("ok")
    """)
    done = run(program, path)
    assert done.stdout == "ok\n", done.stderr


def test_a_program_without_the_classes_gets_them_once(tmp_path: Path) -> None:
    path = tmp_path / "data"
    run(STORE, path)
    run(STORE, path.with_suffix(".2"))
    program = textwrap.dedent("""
        import sys
        from tamias.store.encoding.values import dumps, loads
        one, two = (loads(open(sys.argv[1] + end, 'rb').read()) for end in ("", ".2"))
        assert [type(thing) for thing in one] == [type(thing) for thing in two]
        assert one[0] == two[0] and one[6] is two[6]
        assert one[0].other().other().basket.order == one[0]
        assert type(one[1].other()) is one[5]
        assert loads(dumps(one))[0] == one[0] and loads(dumps(one))[5] is one[5]
        print("ok")
    """)
    done = run(program, path)
    assert done.stdout == "ok\n", done.stderr


def test_classes_of_one_name_made_in_functions_stay_apart() -> None:
    program = textwrap.dedent("""
        from tamias.store.encoding.values import dumps, loads
        def make(number):
            class Local:
                value = number
            return Local
        one, two = make(1), make(2)
        copies = loads(dumps([one(), two()]))
        assert [copy.value for copy in copies] == [1, 2]
        class Order:
            old = True
        old = Order()
        class Order:
            old = False
        found = loads(dumps([old, Order()]))
        assert [one.old for one in found] == [True, False] and type(found[1]) is Order
        print("ok")
    """)
    done = run(program)
    assert done.stdout == "ok\n", done.stderr

"""Events: what they carry, and identities that are the same after a crash."""

from __future__ import annotations

import copy
import pickle
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tamias import AgentDefinitionError, Event, InputEvent, OutputEvent
from tamias.agent.event import input_event
from tamias.agent.events.identity import ORIGIN, Origin, event_id

ORIGINS: st.SearchStrategy[Origin] = st.tuples(
    st.binary(max_size=20),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)


class Order(Event):
    amount: int
    customer: Any = None


def order(**fields: Any) -> Order:
    """With more fields than are declared, which a type checker does not let pass."""
    return Order.model_validate({"amount": 1, **fields})


def sent(event: Event, origin: Origin = (b"k", 3, 1, 0)) -> Event:
    event.__dict__[ORIGIN] = origin
    return event


def test_declared_fields_are_checked() -> None:
    assert Order(amount=3).amount == 3
    with pytest.raises(ValidationError):
        Order.model_validate({"amount": "many"})


def test_extra_fields_of_any_kind_are_taken() -> None:
    marker = object()

    event = Event(type="order", amount=3, handle=marker)

    assert (event.type, event.amount, event.handle) == ("order", 3, marker)


def test_nothing_is_serialised_when_an_event_is_made_or_changed() -> None:
    event = InputEvent(input=lambda: None)
    event.input = object()
    event.more = object()


def test_input_and_output_need_their_value() -> None:
    assert InputEvent(input=None).input is None
    assert OutputEvent(output=[1]).output == [1]
    with pytest.raises(ValidationError):
        OutputEvent()  # type: ignore[call-arg]


def test_outside_of_any_run_an_event_has_a_random_id() -> None:
    one, other = Order(amount=1), Order(amount=1)
    assert isinstance(one.id, UUID)
    assert one.id == one.id != other.id
    assert sent(one).id == event_id((b"k", 3, 1, 0))


def test_the_id_is_a_uuid_of_version_8() -> None:
    identity = event_id((b"k", 0, 0, 0))
    assert (identity.version, identity.variant) == (8, "specified in RFC 4122")


def test_ids_stay_what_they_are_from_version_to_version() -> None:
    # Written down, because a replay after an upgrade has to give the ids of before.
    assert event_id((b"key", 12, 3, 4)) == UUID("0c8860b9-2bd9-84fc-89ad-2180ca481527")


@given(ORIGINS, ORIGINS)
def test_ids_are_as_different_as_origins(one: Origin, other: Origin) -> None:
    assert (event_id(one) == event_id(other)) == (one == other)


@given(st.lists(st.integers(1, 4), min_size=6, max_size=6))
def test_digits_cannot_move_between_the_parts(widths: list[int]) -> None:
    # The same row of digits cut in two ways: as numbers and as a key that looks like more of them.
    digits = "123456789123456789"

    def cut(first: int, second: int, third: int) -> Origin:
        a, b = first, first + second
        c = b + third
        return digits[c:].encode(), int(digits[:a]), int(digits[a:b]), int(digits[b:c])

    one, other = cut(*widths[:3]), cut(*widths[3:])
    assert (event_id(one) == event_id(other)) == (one == other)


def test_equal_events_from_different_places_have_different_ids() -> None:
    first, second = sent(Order(amount=1)), sent(Order(amount=1), (b"k", 3, 1, 1))
    assert first == second
    assert first.id != second.id


def test_an_event_that_is_sent_on_gets_a_new_id() -> None:
    event = sent(Order(amount=1))
    before = event.id

    sent(event, (b"k", 3, 2, 0))

    assert event.id == event_id((b"k", 3, 2, 0)) != before


@pytest.mark.parametrize("read_before", [False, True])
def test_the_origin_is_no_part_of_the_content(read_before: Any) -> None:
    plain, event = order(extra=2), sent(order(extra=2))
    if read_before:
        assert event.id is not None

    assert event == plain
    assert plain == event
    assert event.model_dump() == {"amount": 1, "customer": None, "extra": 2}
    assert event.model_dump_json() == plain.model_dump_json()
    assert repr(event) == repr(plain)
    assert dict(event) == dict(plain)
    assert "origin" not in str(Order.model_json_schema())
    assert event.model_fields_set == plain.model_fields_set


@pytest.mark.parametrize("read_before", [False, True])
def test_copies_and_pickles_keep_the_origin(read_before: Any) -> None:
    event = sent(order(tag="x"))
    identity = event_id((b"k", 3, 1, 0))
    if read_before:
        assert event.id == identity

    copies = [
        event.model_copy(),
        event.model_copy(update={"amount": 2}),
        event.model_copy(deep=True),
        copy.copy(event),
        copy.deepcopy(event),
        *(pickle.loads(pickle.dumps(event, protocol)) for protocol in range(2, 6)),
    ]

    assert [each.id for each in copies] == [identity] * len(copies)
    assert copies[0] == event
    assert copies[1] == order(amount=2, tag="x")
    for each in copies:
        assert sent(each, (b"other", 0, 0, 0)).id == event_id((b"other", 0, 0, 0))
    assert event.id == identity


def test_an_id_of_the_users_own_is_kept() -> None:
    mine = uuid4()
    event = sent(Event(id=mine))
    assert event.id == mine
    assert event.model_dump() == {"id": mine}


def test_the_id_cannot_be_assigned() -> None:
    with pytest.raises(AttributeError):
        Order(amount=1).id = uuid4()  # type: ignore[misc]


@pytest.mark.filterwarnings("ignore:Field name:UserWarning")
def test_a_field_named_id_is_refused_where_it_is_declared() -> None:
    with pytest.raises(AgentDefinitionError, match=r"'id'.*another name"):

        class Numbered(Event):
            id: int  # type: ignore[assignment]


def test_a_subclass_may_declare_its_type() -> None:
    class Declared(Event):
        type: str = "order"

    class Constant(Event):
        type: ClassVar[str] = "order"

    assert Declared().type == Constant().type == "order"


def test_events_filled_by_hand_are_what_pydantic_makes() -> None:
    by_pydantic = OutputEvent.model_validate({"output": [1]})
    by_hand = OutputEvent(output=[1])
    for event in (by_hand, input_event([1], (b"k", 0, 0, 0))):
        assert event.model_fields_set == {next(iter(type(event).model_fields))}
        assert event.model_extra == {}
        assert event.__pydantic_private__ is None
        event.more = 2  # what one of them is given the next one does not have
        assert event.model_extra == {"more": 2}
    assert OutputEvent(output=[1]) == by_pydantic
    more: dict[str, Any] = {"output": 1, "more": 2}
    assert OutputEvent(**more).model_dump() == more
    assert OutputEvent(output=1).model_copy(update={"output": 2}).output == 2
    assert OutputEvent.model_validate_json('{"output": 3, "x": 4}').model_extra == {"x": 4}


def test_a_subclass_of_an_output_event_is_checked_in_full() -> None:
    class Priced(OutputEvent):
        price: float

    assert Priced(output="x", price=1).price == 1.0
    with pytest.raises(ValidationError, match="price"):
        Priced.model_validate({"output": "x"})


# ------------------------------------------------------------------ one event, two forms


class Form(Event):
    """As Flink Agents has its events since 0.3."""

    EVENT_TYPE: ClassVar[str] = "form"

    def __init__(self, amount: int) -> None:
        super().__init__(type=Form.EVENT_TYPE, attributes={"amount": amount})

    @property
    def amount(self) -> int:
        value: int = self.get_attr("amount")
        return value


FORMS: list[Any] = [
    lambda: Order(amount=3),
    lambda: order(type="order", amount=3),
    lambda: Order.model_validate({"type": "order", "attributes": {"amount": 3}}),
    lambda: Event(type="order", amount=3),
    lambda: Event(type="order", attributes={"amount": 3}),
    lambda: Form(3),
    lambda: Order.from_event(Event(type="order", attributes={"amount": 3})),
    lambda: Form.from_event(Event(type="form", attributes={"amount": 3})),
    lambda: Order.from_event(Form(3)),
    lambda: Event.from_json('{"type": "order", "attributes": {"amount": 3}}'),
    lambda: Order.from_json('{"amount": 3}'),
    lambda: Form.from_json('{"type": "form", "attributes": {"amount": 3}}'),
    lambda: pickle.loads(pickle.dumps(Event(type="order", attributes={"amount": 3}))),
]


@pytest.mark.parametrize("form", FORMS)
def test_the_data_is_found_whatever_the_form(form: Any) -> None:
    event = form()
    assert event.amount == event.get_attr("amount") == event.attributes["amount"] == 3
    assert {name: value for name, value in event.attributes.items() if value is not None} == {
        "amount": 3
    }
    assert isinstance(event.attributes, dict)
    assert event.get_attr("missing") is None
    with pytest.raises(AttributeError):
        _ = event.missing
    assert not hasattr(event, "__missing__")


@pytest.mark.parametrize("form", FORMS)
def test_a_change_in_one_form_is_seen_in_the_others(form: Any) -> None:
    event = form()
    event.set_attr("amount", 4)
    assert event.amount == event.attributes["amount"] == 4
    event.attributes["amount"] = 5
    assert event.amount == event.get_attr("amount") == 5
    event.attributes.update(amount=6, more=[1])
    assert (event.amount, event.get_attr("more"), event.more) == (6, [1], [1])
    event.attributes.setdefault("more", 7)
    event.attributes["more"].append(2)
    assert event.attributes.pop("more") == [1, 2]
    assert "more" not in event.attributes
    if not isinstance(event, Form):  # its property has no setter
        event.amount = 7
    else:
        event.set_attr("amount", 7)
    assert event.attributes["amount"] == event.get_attr("amount") == event.amount == 7
    assert type(event).from_json(event.model_dump_json()).amount == 7


def test_attributes_are_a_copy_of_what_was_given() -> None:
    given = {"amount": 1}
    event = Event(type="order", attributes=given)
    event.set_attr("amount", 2)
    assert given == {"amount": 1}


@pytest.mark.parametrize("form", FORMS)
def test_a_copy_is_changed_alone(form: Any) -> None:
    event = form()
    for made in (event.model_copy(), copy.copy(event), event.model_copy(deep=True)):
        made.set_attr("amount", 4)
        assert (event.get_attr("amount"), made.attributes["amount"]) == (3, 4)
    updated = event.model_copy(update={"amount": 5})
    assert (event.amount, updated.amount, updated.attributes["amount"]) == (3, 5, 5)


def test_the_names_of_an_event_are_attributes_only_among_the_attributes() -> None:
    inner = {"type": "fake", "id": 7, "attributes": 1}
    event = Event(type="real", attributes=dict(inner))
    assert (event.type, event.get_type(), isinstance(event.id, UUID)) == ("real", "real", True)
    assert event.attributes == inner
    assert event.get_attr("type") == "fake"
    event.set_attr("id", 8)
    assert event.get_attr("id") == 8
    typed = Order.from_event(Event(type="real", attributes={"amount": 1, "type": "fake"}))
    assert (typed.amount, typed.type, typed.get_attr("type")) == (1, "real", "fake")


def test_declared_attributes_are_checked_and_further_ones_kept() -> None:
    made = Order.model_validate({"attributes": {"amount": "3", "note": "x"}})
    assert (made.amount, made.note, made.attributes) == (
        3,
        "x",
        {"amount": 3, "customer": None, "note": "x"},
    )
    for wrong in ({"amount": "many"}, {}):
        with pytest.raises(ValidationError, match="amount"):
            Order.from_event(Event(type="order", attributes=wrong))
    with pytest.raises(TypeError, match="is a field of Order"):
        del made.attributes["amount"]
    with pytest.raises(KeyError):
        del made.attributes["nothing"]


@pytest.mark.parametrize("wrong", [None, 5, "text", ["a"], {1: 2}])
def test_attributes_that_are_no_dict_of_names_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="attributes"):
        Event(type="order", attributes=wrong)


def test_a_field_named_attributes_is_the_users_own() -> None:
    class Tagged(Event):
        attributes: list[str]

    assert Tagged(attributes=["a"]).attributes == ["a"]


def test_the_type_is_given_or_follows_from_the_class() -> None:
    class Declared(Event):
        type: str = "declared"

    class Constant(Event):
        type: ClassVar[str] = "constant"

    class Below(Form):
        """As its base class."""

        def __init__(self) -> None:
            super().__init__(1)

    assert (Order(amount=1).type, Order(amount=1).get_type()) == ("Order", "Order")
    assert order(type="bill").get_type() == "bill"
    assert InputEvent(input=1).get_type() == InputEvent(input=1).type == "_input_event"
    assert (Form(1).type, Below().type) == ("form", "form")
    assert (Declared().get_type(), Constant().get_type()) == ("declared", "constant")
    assert Event(type=3).get_type() == "Event"


def test_inputs_and_outputs_are_made_in_every_form() -> None:
    for made in (
        InputEvent(5),
        InputEvent.model_validate({"type": "_input_event", "attributes": {"input": 5}}),
        InputEvent.from_event(Event(type="_input_event", attributes={"input": 5})),
        input_event(5, (b"k", 0, 0, 0)),
    ):
        assert (made.input, made.attributes, made.get_attr("input")) == (5, {"input": 5}, 5)
    assert InputEvent.from_event(Event(type="_input_event", attributes={"input": 5})) == InputEvent(
        5
    )
    for sent_out in (
        OutputEvent([1]),
        OutputEvent(type="_output_event", attributes={"output": [1]}),  # type: ignore[call-arg]
        OutputEvent.from_event(Event(type="_output_event", attributes={"output": [1]})),
    ):
        assert (sent_out.output, sent_out.attributes) == ([1], {"output": [1]})


def test_another_form_of_an_event_is_the_same_event() -> None:
    plain = Event(type="order", attributes={"amount": 3})
    made = Order.from_event(plain)
    assert made.id == plain.id
    assert Order.from_event(made) is made
    assert Order(amount=4).reconstruct_from(made).id == plain.id
    mine = Event(id="mine", type="order", amount=3)
    assert Order.from_event(mine).id == "mine"
    with pytest.raises(TypeError, match="takes an Event"):
        Order.from_event({"amount": 3})  # type: ignore[arg-type]


def test_json_of_an_event_keeps_its_id_if_it_has_one() -> None:
    identity = uuid4()
    text = f'{{"id": "{identity}", "type": "order", "attributes": {{"amount": 3}}}}'
    assert Event.from_json(text).id == Order.from_json(text).id == identity
    assert Order.from_json('{"id": "own", "amount": 3}').id == "own"


@pytest.mark.parametrize(
    "text", ["[1]", "{", '{"attributes": {}}', '{"type": ""}', '{"type": 3}', "null"]
)
def test_json_that_is_no_event_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Event.from_json(text)


def test_attributes_of_declared_fields_are_plain_data_when_copied() -> None:
    attributes = order(note=[1]).attributes
    for made in (
        copy.copy(attributes),
        copy.deepcopy(attributes),
        pickle.loads(pickle.dumps(attributes)),
    ):
        assert type(made) is dict
        assert made == {"amount": 1, "customer": None, "note": [1]}


def test_outside_of_any_run_ids_are_random() -> None:
    first, second = (Event(type="order", id=None) for _ in "ab")
    assert first.id != second.id
    assert (first.id.version, second.id.version) == (4, 4)

"""The line from a pool process to its supervisor, which never holds a pool up."""

from __future__ import annotations

from tamias.deployment.channel import Channel


def test_what_is_said_is_heard_in_order_until_the_end() -> None:
    here, there = Channel.pair()
    assert here.hear() == ([], False)
    for number in range(3):
        there.tell(status={"events": number})
    assert here.hear() == ([{"status": {"events": n}} for n in range(3)], False)
    there.last_word(code=0)
    there.close()
    assert here.hear() == ([{"code": 0}], True)
    here.close()


def test_nobody_waits_for_one_who_does_not_listen() -> None:
    here, there = Channel.pair()
    for number in range(10_000):
        there.tell(log="x" * 1000, number=number)
    heard, closed = here.hear()
    assert 0 < len(heard) < 10_000
    assert [message["number"] for message in heard] == list(range(len(heard)))
    there.last_word(code=0)  # there is room again
    assert here.hear() == ([{"code": 0}], closed)
    here.close()
    there.tell(log="nobody there")
    there.last_word(code=0)
    there.close()


def test_what_is_too_large_is_dropped() -> None:
    here, there = Channel.pair()
    there.tell(log="x" * (8 << 20))
    there.tell(log="small")
    assert here.hear() == ([{"log": "small"}], False)
    here.close()
    there.close()

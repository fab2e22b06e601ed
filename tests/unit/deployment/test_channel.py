"""The line from a pool process to its supervisor, which never holds a pool up."""

from __future__ import annotations

from tamias.deployment.channel import Channel


def test_messages_arrive_in_order_until_the_end() -> None:
    here, there = Channel.pair()
    assert here.receive() == ([], False)
    for number in range(3):
        there.send(status={"events": number})
    assert here.receive() == ([{"status": {"events": n}} for n in range(3)], False)
    there.send_last(code=0)
    there.close()
    assert here.receive() == ([{"code": 0}], True)
    here.close()


def test_sending_does_not_wait_for_a_reader() -> None:
    here, there = Channel.pair()
    for number in range(10_000):
        there.send(log="x" * 1000, number=number)
    heard, closed = here.receive()
    assert 0 < len(heard) < 10_000
    assert [message["number"] for message in heard] == list(range(len(heard)))
    there.send_last(code=0)  # there is room again
    assert here.receive() == ([{"code": 0}], closed)
    here.close()
    there.send(log="nobody there")
    there.send_last(code=0)
    there.close()


def test_what_is_too_large_is_dropped() -> None:
    here, there = Channel.pair()
    there.send(log="x" * (8 << 20))
    there.send(log="small")
    assert here.receive() == ([{"log": "small"}], False)
    here.close()
    there.close()

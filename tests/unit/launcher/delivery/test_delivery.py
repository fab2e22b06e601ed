"""Each input's outputs reach the sink once, whatever comes twice and whenever the launcher dies."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from support.launcher.checkpoints import SavedCheckpoints
from tamias import InputError
from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.delivery.delivery import ShardRecord
from tamias.launcher.sinks.collect import CollectSink
from tamias.launcher.sinks.jsonlines import JsonLinesSink
from tamias.store.encoding.codec import make_encoder
from tamias.store.encoding.keys import encode_key
from tamias.store.encoding.values import dumps
from tamias.store.records.offsets import (
    RunKind,
    derived_number,
    identity_of,
    owned_number,
    retry_number,
)
from tamias.store.records.outbox import decode_outputs, encode_outputs

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.launcher.delivery.sink import Sink

INPUTS = 400
SHARDS = 3


def outputs_of(offset: int) -> list[int]:
    """Some inputs have no output, some several."""
    return [offset * 10 + n for n in range((1, 0, 1, 3)[offset % 4])]


def waits(offset: int) -> bool:
    """Some inputs are suspended."""
    return 0 <= offset < INPUTS and offset % 11 == 3


def timer(n: int) -> int:
    return derived_number(RunKind.TIMER, n)


TIMERS = 30
"""Each has one output, -n, of the key n % 7."""


def outboxes(codec: str, rng: random.Random) -> dict[int, list[tuple[int, bytes]]]:
    """Outbox records by shard, as workers would have committed them: (sequence, record).

    Suspended inputs come again, as owned runs, some records later, and timers among them.
    """
    encode = make_encoder(codec)
    by_shard = defaultdict(list)
    for offset in range(INPUTS):
        by_shard[offset % 7 % SHARDS].append(offset)
        if waits(offset - 70):
            by_shard[offset % 7 % SHARDS].append(owned_number(offset - 70))
        if offset < TIMERS:
            by_shard[offset % 7 % SHARDS].append(timer(offset))
    for offset in range(INPUTS - 70, INPUTS):
        if waits(offset):
            by_shard[offset % 7 % SHARDS].append(owned_number(offset))
    numbers = {timer(n): n for n in range(TIMERS)}
    records: dict[int, list[tuple[int, bytes]]] = {}
    for shard, offsets in by_shard.items():
        records[shard] = []
        end = 0
        while end < len(offsets):
            begin, end = end, end + rng.randint(1, 20)
            group = offsets[begin:end]
            values = []
            for number in group:
                if number in numbers:
                    values.append((numbers[number], [-numbers[number]]))
                elif waits(number):
                    values.append((number, []))
                else:
                    values.append((identity_of(number), outputs_of(identity_of(number))))
            record = encode_outputs(
                group,
                [len(outputs) for _, outputs in values],
                [
                    encode(encode_key(offset % 7), output, offset)
                    for offset, outputs in values
                    for output in outputs
                ],
                suspended=[number for number in group if waits(number)],
            )
            records[shard].append((len(records[shard]) + 1, record))
    return records


class Life:
    """One life of a launcher on the files of the lives before."""

    def __init__(self, directory: Path, sink: Sink) -> None:
        self.saved = directory / "checkpoint.json"
        self.delivery = CheckpointedDelivery(sink, self)
        self.delivery.open()

    def load(self) -> dict[str, Any] | None:
        return json.loads(self.saved.read_text()) if self.saved.exists() else None

    def save(self, state: dict[str, Any]) -> None:
        self.saved.write_text(json.dumps(state))


def run(directory: Path, make_sink: Any, rng: random.Random, deaths: int) -> Sink:
    """Deliver everything through so many deaths; outboxes drop what they are told to."""
    left = outboxes(make_sink().codec, rng)
    while True:
        life = Life(directory, make_sink())
        delivery = life.delivery
        # What a worker sends after a launcher's death: all that its outbox still has.
        queues = {shard: list(records) for shard, records in left.items() if records}
        steps = rng.randint(1, 40) if deaths else 10_000
        while queues and steps:
            steps -= 1
            shard = rng.choice(list(queues))
            sequence, record = queues[shard].pop(0)
            delivery.accept(ShardRecord.decode(shard, sequence, record))
            if rng.random() < 0.1:
                # A worker died: its outbox comes again from the beginning.
                queues[shard] = list(left[shard])
            if rng.random() < 0.2:
                for trimmed, level in delivery.save().items():
                    left[trimmed] = [entry for entry in left[trimmed] if entry[0] > level]
            if not queues.get(shard, True):
                del queues[shard]
        if deaths:
            deaths -= 1
            delivery.close()
            continue
        delivery.save()
        delivery.close()
        totals = delivery.checkpoint.totals
        assert totals.events == INPUTS
        assert totals.outputs == sum(len(outputs_of(n)) for n in range(INPUTS)) + TIMERS
        assert delivery.checkpoint.done.low == INPUTS
        return delivery.sink


@pytest.mark.parametrize("seed", range(12))
def test_lines_are_complete_and_single_after_any_deaths(tmp_path: Path, seed: int) -> None:
    out = tmp_path / "out.jsonl"
    run(tmp_path, lambda: JsonLinesSink(str(out)), random.Random(seed), deaths=seed)
    lines = [json.loads(line) for line in out.read_bytes().splitlines()]
    expected = [(n, o) for n in range(INPUTS) for o in outputs_of(n)]
    assert sorted((line["offset"], line["output"]) for line in lines) == sorted(
        expected + [(n, -n) for n in range(TIMERS)]
    )
    for shard, records in outboxes("json-lines", random.Random(0)).items():
        committed = [line for _, data in records for line in lines_of(data)]
        assert committed == [line for line in lines if line["key"] % SHARDS == shard]


def lines_of(data: bytes) -> list[Any]:
    return [json.loads(line) for line in bytes(decode_outputs(data).blob).splitlines()]


@pytest.mark.parametrize("seed", range(12))
def test_ordered_lines_are_the_same_file_after_any_deaths(tmp_path: Path, seed: int) -> None:
    out = tmp_path / "out.jsonl"
    run(tmp_path, lambda: JsonLinesSink(str(out), ordered=True), random.Random(seed), deaths=seed)
    lines = [json.loads(line) for line in out.read_bytes().splitlines()]
    expected = [(n, o) for n in range(INPUTS) for o in outputs_of(n)]
    found = [(line["offset"], line["output"]) for line in lines]
    in_order = [(n, o) for n, o in expected if not waits(n)]
    late = [(n, o) for n, o in expected if waits(n)] + [(n, -n) for n in range(TIMERS)]
    assert [each for each in found if each not in late] == [
        each for each in in_order if each not in late
    ]
    assert sorted(found) == sorted(in_order + late)


@pytest.mark.parametrize("seed", range(12))
def test_collected_outputs_survive_any_deaths(tmp_path: Path, seed: int) -> None:
    sink = run(tmp_path, lambda: CollectSink(tmp_path / "spool"), random.Random(seed), deaths=seed)
    assert isinstance(sink, CollectSink)
    results = sink.take_results()
    assert results[:-TIMERS] == [{n % 7: o} for n in range(INPUTS) for o in outputs_of(n)]
    last = sorted(output for pair in results[-TIMERS:] for output in pair.values())
    assert last == sorted(-n for n in range(TIMERS))


def test_a_suspended_input_counts_when_its_owned_run_ends(tmp_path: Path) -> None:
    delivery = Life(tmp_path, CollectSink()).delivery
    delivery.accept(
        ShardRecord.decode(0, 1, encode_outputs([0, 1], [1, 0], [dumps({1: 1})], suspended=[1]))
    )
    assert (delivery.events, delivery.checkpoint.done.low) == (1, 2)
    again = encode_outputs([owned_number(1)], [0], [], suspended=[owned_number(1)])
    delivery.accept(ShardRecord.decode(0, 2, again))
    assert delivery.events == 1
    ended = encode_outputs([owned_number(1)], [1], [dumps({1: 2})])
    delivery.accept(ShardRecord.decode(0, 3, ended))
    delivery.accept(ShardRecord.decode(0, 3, ended))  # a worker has died
    assert (delivery.events, delivery.outputs) == (2, 2)
    delivery.accept(ShardRecord.decode(0, 4, encode_outputs([timer(1)], [0], [])))
    retry = owned_number(retry_number(0, 1))
    delivery.accept(ShardRecord.decode(0, 5, encode_outputs([retry], [0], [])))
    assert delivery.events == 2  # a timer is no input, and a retried one was counted before
    delivery.close()


def test_a_suspended_input_gives_up_its_place_in_ordered_outputs(tmp_path: Path) -> None:
    out = tmp_path / "out"
    delivery = Life(tmp_path, JsonLinesSink(str(out), ordered=True)).delivery
    delivery.accept(
        ShardRecord.decode(0, 1, encode_outputs([1, 2], [0, 1], [b"two\n"], suspended=[1]))
    )
    delivery.accept(ShardRecord.decode(0, 2, encode_outputs([owned_number(1)], [1], [b"one\n"])))
    assert out.read_bytes() == b"one\n"
    assert delivery.events == 1
    delivery.accept(ShardRecord.decode(1, 1, encode_outputs([0], [1], [b"zero\n"])))
    assert out.read_bytes() == b"one\nzero\ntwo\n"
    assert delivery.events == 3
    delivery.close()


def test_inputs_without_outputs_let_ordered_outputs_go_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    delivery = Life(tmp_path, JsonLinesSink(str(out), ordered=True)).delivery
    delivery.accept(ShardRecord.decode(0, 1, encode_outputs([1], [1], [b"one\n"])))
    assert delivery.sink.backlog > 0
    assert out.read_bytes() == b""
    assert delivery.save() == {}
    nothing = encode_outputs([0], [0], [])
    delivery.accept(ShardRecord.decode(1, 1, nothing))
    assert out.read_bytes() == b"one\n"
    assert delivery.sink.backlog == 0
    assert delivery.save() == {0: 1, 1: 1}
    delivery.accept(ShardRecord.decode(1, 1, nothing))
    assert delivery.checkpoint.totals.events == 2
    delivery.close()


def test_nothing_is_saved_when_nothing_changed(tmp_path: Path) -> None:
    saved = SavedCheckpoints()
    delivery = CheckpointedDelivery(JsonLinesSink(str(tmp_path / "out")), saved)
    delivery.open()
    assert len(saved) == 1
    delivery.save()
    assert len(saved) == 1
    delivery.accept(ShardRecord.decode(0, 1, encode_outputs([0], [0], [])))
    delivery.save()
    assert len(saved) == 2
    delivery.close()


LINE = b'{"key":1,"output":1,"offset":0}\n'


def test_a_copy_of_a_job_that_has_ended_does_not_write_into_its_output(tmp_path: Path) -> None:
    out, saved = tmp_path / "out", SavedCheckpoints()
    first = CheckpointedDelivery(JsonLinesSink(str(out)), saved)
    first.open()
    first.save()
    first.close()
    copy = SavedCheckpoints(saved)
    second = CheckpointedDelivery(JsonLinesSink(str(out)), saved)
    second.open()
    second.accept(ShardRecord.decode(0, 1, encode_outputs([0], [1], [LINE])))
    second.close()  # as if killed: no checkpoint covers the line, so it is cut off
    third = CheckpointedDelivery(JsonLinesSink(str(out)), saved)
    third.open()
    assert out.read_bytes() == b""
    third.accept(ShardRecord.decode(0, 1, encode_outputs([0], [1], [LINE])))
    third.save()
    third.close()
    with pytest.raises(InputError, match="has lines after byte 0 that this job has not written"):
        CheckpointedDelivery(JsonLinesSink(str(out)), copy).open()
    assert out.read_bytes() == LINE


def test_a_crash_before_the_first_outputs_are_covered_leaves_a_resumable_job(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    first = Life(tmp_path, JsonLinesSink(str(out))).delivery
    first.accept(ShardRecord.decode(0, 1, encode_outputs([0], [1], [LINE])))
    first.close()
    second = Life(tmp_path, JsonLinesSink(str(out))).delivery
    assert out.read_bytes() == b""
    second.accept(ShardRecord.decode(0, 1, encode_outputs([0], [1], [LINE])))
    second.close()
    assert out.read_bytes() == LINE


def test_an_output_that_is_too_much_for_one_pickle_frame_comes_back_whole(tmp_path: Path) -> None:
    value = b"x" * (1 << 20)
    sink = CollectSink(tmp_path / "spool")
    delivery = Life(tmp_path, sink).delivery
    delivery.accept(ShardRecord.decode(0, 1, encode_outputs([5], [1], [dumps({"k": value})])))
    delivery.close()
    assert sink.take_results() == [{"k": value}]

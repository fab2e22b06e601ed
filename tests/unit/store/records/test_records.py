"""The stored forms of journal records, outputs and dead letters."""

from __future__ import annotations

import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias.agent.errors import StoreCorruptError
from tamias.store.records.dead_letters import DeadLetter
from tamias.store.records.journal import ACTION, CALL, JournalEntry, journal_key, journal_prefix
from tamias.store.records.offsets import owned_number
from tamias.store.records.outbox import decode_outputs, encode_outputs

U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
addresses = st.tuples(U64, U32, st.sampled_from([CALL, ACTION]), U32)
runs = st.lists(st.tuples(U64, st.lists(st.binary(max_size=20), max_size=4)), max_size=8)


class TestJournal:
    @given(addresses, st.binary())
    def test_an_entry_comes_back(self, address: tuple[int, int, int, int], data: bytes) -> None:
        entry = JournalEntry(*address, data)
        assert entry.key == journal_key(*address)
        assert entry.key.startswith(journal_prefix(entry.offset))
        assert JournalEntry.decode(entry.key, data) == entry

    @given(addresses, addresses)
    def test_keys_sort_in_order_of_replay(
        self, one: tuple[int, int, int, int], other: tuple[int, int, int, int]
    ) -> None:
        assert (journal_key(*one) < journal_key(*other)) == (one < other)

    def test_keys_never_change(self) -> None:
        assert journal_key(258, 3, ACTION, 4).hex() == "0000000000000102000000030100000004"


class TestOutputs:
    @given(runs)
    def test_outputs_come_back(self, runs: list[tuple[int, list[bytes]]]) -> None:
        offsets = [offset for offset, _ in runs]
        counts = [len(outputs) for _, outputs in runs]
        flat = list(itertools.chain.from_iterable(outputs for _, outputs in runs))
        decoded = decode_outputs(encode_outputs(offsets, counts, flat))
        assert decoded.offsets == offsets
        assert decoded.counts == counts
        assert decoded.lengths == list(map(len, flat))
        assert bytes(decoded.blob) == b"".join(flat)
        assert [(offset, list(map(bytes, each))) for offset, each in decoded.each()] == runs

    def test_a_huge_output_is_not_copied_when_decoded(self) -> None:
        huge = bytes(64 << 20)
        data = encode_outputs([7], [2], [b"small", huge])
        ((offset, (small, large)),) = decode_outputs(data).each()
        assert (offset, bytes(small), len(large)) == (7, b"small", len(huge))
        assert large.obj is data

    def test_a_record_with_one_output_has_the_form_of_all(self) -> None:
        record = encode_outputs([258], [1], [b"abc"], 3)
        columns = "02010000 00000000 01000000 03000000 00000000"
        assert record == bytes.fromhex(
            f"544f0200 01000000 01000000 03000000 00000000 {columns} 616263"
        )
        one = decode_outputs(record)
        assert (one.offsets, one.counts, one.lengths, bytes(one.blob)) == ([258], [1], [3], b"abc")
        assert (one.generation, one.failed) == (3, [])
        for cut in range(len(record)):
            with pytest.raises(StoreCorruptError):
                decode_outputs(record[:cut])
        with pytest.raises(StoreCorruptError):
            decode_outputs(record + b"d")
        failed = encode_outputs([258], [1], [b"abc"], 3, failed=[258])
        assert decode_outputs(failed).failed == [258]

    def test_the_form_never_changes(self) -> None:
        columns = (
            "01000000 00000000 02010000 00000000"
            "02000000 00000000"
            "02000000 00000000 01000000 00000000"
        )
        record = encode_outputs([1, 258], [2, 0], [b"ab", b"c"], 3, failed=[258])
        assert record == bytes.fromhex(
            "544f0200 02000000 02000000 03000000 01000000"
            + columns
            + "02010000 00000000"
            + "616263"
        )
        old = decode_outputs(bytes.fromhex("544f0100 02000000 02000000" + columns + "616263"))
        new = decode_outputs(record)
        assert (old.offsets, old.counts, bytes(old.blob)) == ([1, 258], [2, 0], b"abc")
        assert (old.generation, old.failed) == (0, [])
        assert (new.generation, new.failed) == (3, [258])

    def test_a_record_with_suspended_runs(self) -> None:
        record = encode_outputs(
            [1, 258, 7], [2, 0, 0], [b"ab", b"c"], 3, failed=[258], suspended=[7]
        )
        assert record[:4] == b"TO\x03\x00"
        decoded = decode_outputs(record)
        assert (decoded.offsets, decoded.failed, decoded.suspended) == ([1, 258, 7], [258], [7])
        assert bytes(decoded.blob) == b"abc"
        assert decode_outputs(encode_outputs([1], [0], [], 3)).suspended == []

    def test_a_record_with_key_groups_of_owned_runs(self) -> None:
        owned = owned_number(1)
        record = encode_outputs([258, owned], [0, 1], [b"ab"], 3, suspended=[258], groups=[513])
        assert record == bytes.fromhex(
            "544f0400 02000000 01000000 03000000 00000000 01000000 01000000"
            "02010000 00000000 01000000 00000040"
            "00000000 01000000"
            "02000000 00000000"
            "02010000 00000000"
            "01020000"
            "6162"
        )
        decoded = decode_outputs(record)
        assert (decoded.suspended, decoded.groups) == ([258], [513])
        assert [(n, list(map(bytes, values))) for n, values in decoded.each()] == [
            (258, []),
            (owned, [b"ab"]),
        ]

    @given(runs, st.data())
    def test_a_record_cut_short_is_an_error(
        self, runs: list[tuple[int, list[bytes]]], data: st.DataObject
    ) -> None:
        flat = list(itertools.chain.from_iterable(outputs for _, outputs in runs))
        record = encode_outputs([o for o, _ in runs], [len(each) for _, each in runs], flat)
        cut = data.draw(st.integers(0, len(record) - 1))
        with pytest.raises(StoreCorruptError):
            decode_outputs(record[:cut])

    def test_another_version_is_an_error(self) -> None:
        record = bytearray(encode_outputs([1], [0], []))
        record[2] = 5
        with pytest.raises(StoreCorruptError, match="version of tamias"):
            decode_outputs(bytes(record))


class TestDeadLetters:
    letter = DeadLetter(
        offset=12,
        key=b"s\xff\n",
        payload=pickle.dumps({"a\n": 1}),
        codec="pickle",
        cause="crash",
        attempts=3,
        error="worker died\u2028",
        traceback="Traceback\n  ...\n",
        action="act",
        signal=11,
        stacks="Thread 0x1\n",
        worker_pid=4711,
        at=1.25,
    )

    def test_a_letter_comes_back(self) -> None:
        assert DeadLetter.decode(self.letter.encode()) == self.letter
        bare = DeadLetter(0, b"", b"\n{bad\n", "json", "bad-input")
        assert DeadLetter.decode(bare.encode()) == bare

    def test_fields_of_later_versions_are_ignored(self) -> None:
        data = self.letter.encode().replace(b"{", b'{"mood": "sad", ', 1)
        assert DeadLetter.decode(data) == self.letter

    @pytest.mark.parametrize("data", [b"", b"{}\n", b"[]\n", b'{"offset": 1', b"\xff\n"])
    def test_what_is_no_letter_is_an_error(self, data: bytes) -> None:
        with pytest.raises(StoreCorruptError, match="dead letter"):
            DeadLetter.decode(data)

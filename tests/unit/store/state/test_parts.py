"""A part of a store that is lost, foreign, misplaced or of another time is refused."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import lmdb
import pytest

from tamias.agent.errors import ForeignStoreError, StoreCorruptError, StoreFormatError
from tamias.store.encoding.keys import encode_key, key_prefix, shard_of
from tamias.store.encoding.values import check_form, dumps
from tamias.store.identity import StoreIdentity
from tamias.store.records.outbox import encode_outputs
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.deep import read_environment, read_shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHARDS = 4
PAGE = 4096


def opened(path: Path) -> StateDirectory:
    return StateDirectory.open(path, "m:A", SHARDS, "process", {})


def run_once(path: Path, offset: int) -> None:
    """Do what a job does: commit a record in each shard, save a checkpoint, drop the record."""
    with opened(path) as state:
        record = state.progress.load() or {"trims": {str(n): 0 for n in range(SHARDS)}}
        levels = {shard: level + 1 for shard, level in record["trims"].items()}
        shards = [
            Shard.acquire(state.layout.shard(n), n, store=state.manifest.identity, create=False)
            for n in range(SHARDS)
        ]
        for shard in shards:
            batch = Batch()
            batch.outbox = encode_outputs([offset], [1], [b"out"])
            shard.commit(batch)
        state.progress.save({"trims": levels})
        for shard in shards:
            batch = Batch()
            batch.trim = levels[str(shard.number)]
            shard.commit(batch)
            shard.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    for offset in range(3):
        run_once(path, offset)
    return path


def edit(path: Path, **changes: Any) -> None:
    file = path / "tamias.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def delete(state: Path) -> None:
    shutil.rmtree(state / "shards" / "01")


def empty(state: Path) -> None:
    (state / "shards" / "01" / "data.mdb").write_bytes(b"")


def swap(state: Path) -> None:
    one, two, aside = (state / "shards" / name for name in ("01", "02", "aside"))
    one.rename(aside)
    two.rename(one)
    aside.rename(two)


def count_more(state: Path) -> None:
    edit(state, shards=2 * SHARDS)


def count_fewer(state: Path) -> None:
    edit(state, shards=SHARDS - 1)


def take_from_another(state: Path) -> None:
    other = state.parent / "other"
    for offset in range(3):
        run_once(other, offset)
    delete(state)
    shutil.copytree(other / "shards" / "01", state / "shards" / "01")


def take_an_older_one(state: Path) -> None:
    shutil.copytree(state / "shards" / "01", state.parent / "copy")
    run_once(state, 3)
    delete(state)
    (state.parent / "copy").rename(state / "shards" / "01")


def take_an_older_checkpoint(state: Path) -> None:
    shutil.copytree(state / "progress", state.parent / "copy")
    run_once(state, 3)
    shutil.rmtree(state / "progress")
    (state.parent / "copy").rename(state / "progress")


def begin_a_shard_anew(state: Path) -> None:
    delete(state)
    Shard.acquire(state / "shards" / "01", 1).close()


def lose_progress(state: Path) -> None:
    shutil.rmtree(state / "progress")


def empty_progress(state: Path) -> None:
    (state / "progress" / "data.mdb").write_bytes(b"")


def take_the_progress_of_another(state: Path) -> None:
    opened(state.parent / "other").close()
    lose_progress(state)
    shutil.copytree(state.parent / "other" / "progress", state / "progress")


def change_the_identity(state: Path) -> None:
    edit(state, store="0" * 32)


DAMAGE: dict[Callable[[Path], None], tuple[type[Exception], str]] = {
    delete: (StoreCorruptError, r"Shard 1 is missing: there is no data in .*/01\. Restore"),
    empty: (StoreCorruptError, "Shard 1 is empty"),
    swap: (StoreFormatError, r"shards/01 holds shard 2, not 1\. Put"),
    count_more: (StoreFormatError, "is of a store with 4 shards, and the manifest says 8"),
    count_fewer: (StoreFormatError, "is of a store with 4 shards, and the manifest says 3"),
    take_from_another: (ForeignStoreError, "shards/01 belongs to another state directory"),
    take_an_older_one: (StoreCorruptError, "older than the checkpoint: it ends with record 3, and"),
    take_an_older_checkpoint: (StoreCorruptError, r"The checkpoint is older than .*shards/00"),
    begin_a_shard_anew: (ForeignStoreError, "shards/01 does not belong .* it names no store"),
    lose_progress: (StoreCorruptError, "The progress log is missing"),
    empty_progress: (StoreCorruptError, "The progress log is empty"),
    take_the_progress_of_another: (ForeignStoreError, "progress belongs to another state"),
    change_the_identity: (ForeignStoreError, "belongs to another state directory"),
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_what_does_not_fit_is_refused(state: Path, damage: Callable[[Path], None]) -> None:
    damage(state)
    kind, text = DAMAGE[damage]
    for _ in range(2):  # a refusal changes nothing
        with pytest.raises(kind, match=text):
            opened(state)


@pytest.mark.parametrize("damage", [delete, empty, swap, take_from_another, begin_a_shard_anew])
def test_readers_and_workers_refuse_it_too(state: Path, damage: Callable[[Path], None]) -> None:
    identity = opened(state)
    identity.close()
    damage(state)
    kind, text = DAMAGE[damage]
    with StoreReader(state) as reader, pytest.raises(kind, match=text):
        reader.counts()
    with pytest.raises(kind, match=text):
        Shard.acquire(state / "shards" / "01", 1, store=identity.manifest.identity, create=False)


def test_a_launcher_that_died_while_making_the_parts_is_no_damage(state: Path) -> None:
    edit(state, complete=False)
    delete(state)
    with pytest.raises(StoreCorruptError, match="Shard 1 is missing"):
        opened(state)  # the checkpoint knows it
    new = state.parent / "new"
    opened(new).close()
    edit(new, complete=False)
    delete(new)
    opened(new).close()
    opened(new).close()


def as_an_older_version_left_it(state: Path) -> None:
    file = state / "tamias.json"
    content = json.loads(file.read_text())
    for name in ("store", "complete", "parts"):
        del content[name]
    file.write_text(json.dumps(content))
    for path in (state / "progress", *(state / "shards").iterdir()):
        with lmdb.open(str(path), max_dbs=16) as handle:
            meta = None if path.name == "progress" else handle.open_db(b"meta")
            with handle.begin(write=True) as transaction:
                for field in (b"store", b"count"):
                    transaction.delete(field, db=meta)


def test_state_of_an_older_version_gets_an_identity(state: Path) -> None:
    as_an_older_version_left_it(state)
    with StoreReader(state) as reader:
        assert reader.counts()["outbox"] == 0
    with opened(state) as directory:
        assert directory.manifest.complete
        assert len(directory.manifest.store) == 32
    delete(state)
    with pytest.raises(StoreCorruptError, match="Shard 1 is missing"):
        opened(state)


def test_a_shard_that_an_older_version_has_lost_is_refused(state: Path) -> None:
    as_an_older_version_left_it(state)
    empty(state)
    with pytest.raises(StoreCorruptError, match="Shard 1 is empty"):
        opened(state)


def test_a_manifest_that_an_older_version_has_written_again_keeps_its_store(state: Path) -> None:
    with opened(state) as directory:
        before = directory.manifest.store
    file = state / "tamias.json"
    content = json.loads(file.read_text())
    for name in ("store", "complete", "parts"):
        del content[name]
    file.write_text(json.dumps(content))
    with opened(state) as directory:
        assert directory.manifest.store == before


def test_a_further_part_that_is_lost_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as directory:
        directory.check_part("request log", directory.layout.intake)
        Shard.acquire(directory.layout.intake, 0).close()
        directory.record_part("request log")
    shutil.rmtree(tmp_path / "intake")
    with (
        opened(tmp_path) as directory,
        pytest.raises(StoreCorruptError, match="The request log of this state is missing"),
    ):
        directory.check_part("request log", directory.layout.intake)


class TestReadingAll:
    @pytest.fixture
    def shard(self, tmp_path: Path) -> Path:
        """Shard 1 of 4, with a hundred keys."""
        shard = Shard.acquire(tmp_path / "01", 1, store=self.identity)
        batch = Batch()
        keys = [key for key in map(str, range(1000)) if shard_of(encode_key(key), 4) == 1][:100]
        for key in keys:
            prefix = key_prefix(encode_key(key))
            batch.put_fields(prefix, {"a": dumps([key] * 9), "b": b"", "b.c": dumps("text")})
        batch.outbox = encode_outputs([1], [1], [b"out"])
        shard.commit(batch)
        shard.close()
        return tmp_path / "01"

    identity = StoreIdentity("5" * 32, 4)

    def change(self, shard: Path, database: bytes, key: bytes, value: bytes) -> None:
        with lmdb.open(str(shard), max_dbs=16) as handle:
            opened_database = handle.open_db(database)
            with handle.begin(write=True) as transaction:
                transaction.put(key, value, db=opened_database)

    def test_a_sound_shard(self, shard: Path) -> None:
        assert read_shard(shard, 1, 4, self.identity) == "306 records read"
        assert read_environment(shard).endswith("bytes read")

    def test_a_key_of_another_shard(self, shard: Path) -> None:
        with pytest.raises(StoreCorruptError, match="belongs to another shard"):
            read_shard(shard, 1, 5, None)

    @pytest.mark.parametrize(
        ("database", "key", "value"),
        [
            (b"memory", key_prefix(encode_key("5")) + b"a", dumps([1, 2])[:-2]),
            (b"memory", key_prefix(encode_key("5")) + b"a", b"\xb4\xff"),
            (b"outbox", (1).to_bytes(8, "big"), b"TOjunk"),
            (b"journal", b"short", b""),
            (b"dead", (1).to_bytes(8, "big"), b"{"),
        ],
    )
    def test_a_record_that_cannot_be_read(
        self, shard: Path, database: bytes, key: bytes, value: bytes
    ) -> None:
        assert shard_of(encode_key("5"), 4) == 1
        self.change(shard, database, key, value)
        with pytest.raises(StoreCorruptError, match=rf"of {database.decode()} cannot be read"):
            read_shard(shard, 1, 4, self.identity)

    @pytest.mark.parametrize("value", [1, "text", {"a": [1.5, None]}, b"x" * 99])
    def test_values_without_their_end_are_found(self, value: object) -> None:
        check_form(dumps(value))
        with pytest.raises(ValueError, match="pickle exhausted"):
            check_form(dumps([value])[:-1])

    def test_arrays_without_their_end_are_found(self) -> None:
        numpy = pytest.importorskip("numpy")
        data = dumps(numpy.zeros(100_000))
        check_form(data)
        with pytest.raises(ValueError, match="cut short"):
            check_form(data[:-1])

from __future__ import annotations

import json
import shutil
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest

from support.console.dashboards import make_state, opened_page, put_field
from support.store import memory_sets
from tamias.console.dashboard import jobs
from tamias.store.encoding.keys import encode_key
from tamias.store.encoding.values import dumps
from tamias.store.lmdb_env import open_reader
from tamias.store.records.dead_letters import DeadLetter
from tamias.store.state.layout import StateLayout

if TYPE_CHECKING:
    from pathlib import Path

    from support.console.dashboards import Page

SCRIPT = "<script>alert(1)</script>"
ODD_KEYS: list[Any] = ["", 7, True, None, 1.5, ("a", 1), b"\xff", "long " * 100, SCRIPT, "\ud800"]


def token_of(key: Any) -> str:
    return urlsafe_b64encode(encode_key(key)).rstrip(b"=").decode()


def all_keys(page: Page, **query: Any) -> list[Any]:
    """The texts of all keys, by pages."""
    texts: list[Any] = []
    after: str | None = ""
    while after is not None:
        found = page.get("0/keys", after=after, **query)
        texts += [row["text"] for row in found["keys"]]
        after = found["next"]
    return texts


class TestKeys:
    def test_pages_have_each_key_once(self, tmp_path: Path) -> None:
        keys = [f"k{number}" for number in range(300)]
        with opened_page(make_state(tmp_path / "s", {key: {"n": 1} for key in keys})) as page:
            assert sorted(all_keys(page, limit=7)) == sorted(keys)

    def test_a_row_says_how_much_a_key_has(self, tmp_path: Path) -> None:
        memory = {"a": {"x": 1, "y": ..., "y.z": "text"}}
        with opened_page(make_state(tmp_path / "s", memory)) as page:
            (row,) = page.get("0/keys")["keys"]
        size = len(dumps(1)) + len(dumps("text"))
        assert row == {
            "key": "a",
            "text": "a",
            "token": token_of("a"),
            "fields": 3,
            "bytes": size,
            "complete": True,
            "sets": 0,
        }

    def test_keys_of_all_types_are_shown_and_lead_to_their_memory(self, tmp_path: Path) -> None:
        memory = {key: {"n": number} for number, key in enumerate(ODD_KEYS)}
        with opened_page(make_state(tmp_path / "s", memory)) as page:
            rows = page.get("0/keys")["keys"]
            found = {row["token"]: page.get(f"0/keys/{row['token']}") for row in rows}
        assert found.keys() == {token_of(key) for key in ODD_KEYS}
        for number, key in enumerate(ODD_KEYS):
            assert found[token_of(key)]["memory"] == {"n": number}

    @pytest.mark.parametrize(
        ("prefix", "wanted"),
        [
            ("user-1", ["user-1", *(f"user-1{n}" for n in range(10))]),
            ("user-19", ["user-19"]),
            ("nobody", []),
            ("42", ["42", '"42"', '"421"']),
            ("long", ["long " * 60 + "..."]),
        ],
    )
    def test_keys_are_found_by_how_they_begin(
        self, tmp_path: Path, prefix: str, wanted: list[str]
    ) -> None:
        keys = [*(f"user-{n}" for n in range(30)), 42, "42", "421", "long " * 100, "other"]
        with opened_page(make_state(tmp_path / "s", {key: {"n": 1} for key in keys})) as page:
            assert sorted(all_keys(page, prefix=prefix, limit=4)) == sorted(wanted)

    def test_keys_of_groups_are_found_too_as_flink_has_them(self, tmp_path: Path) -> None:
        names = [f"user-{n}" for n in range(40)] + ["a", "zz"]
        state = make_state(tmp_path / "s", {f"plain-{n}": {"n": 1} for n in range(5)})
        for number, name in enumerate(names):
            encoded = b"g" + (number % 7).to_bytes(2, "big") + encode_key(name)
            put_field(state, encoded, "n", number)
        with opened_page(state) as page:
            assert sorted(all_keys(page, limit=9)) == sorted(
                [*names, *(f"plain-{n}" for n in range(5))]
            )
            wanted = [name for name in names if name.startswith("user-3")]
            assert sorted(all_keys(page, prefix="user-3", limit=2)) == sorted(wanted)
            assert all_keys(page, prefix="plain-4") == ["plain-4"]
            assert all_keys(page, prefix="v") == []

    @pytest.mark.parametrize("query", [{"limit": "x"}, {"limit": -1}, {"after": "?"}])
    def test_wrong_arguments_are_named(self, tmp_path: Path, query: dict[str, Any]) -> None:
        with opened_page(make_state(tmp_path / "s")) as page:
            assert str(next(iter(query.values()))) in page.error("0/keys", 400, **query)


class TestMemory:
    def test_values_are_json_and_say_what_is_left_out(self, tmp_path: Path) -> None:
        values = {
            "list": [1, (2, None), {"a": SCRIPT}],
            "big": 1 << 70,
            "nan": float("nan"),
            "bytes": b"\0\xff",
            "long": "x" * 200_000,
            "object": ...,
            "object.inner": True,
        }
        with opened_page(make_state(tmp_path / "s", {"a": values})) as page:
            found = page.get(f"0/keys/{token_of('a')}")
        memory = found["memory"]
        assert memory["list"] == [1, [2, None], {"a": SCRIPT}]
        assert memory["big"] == {"$type": "int", "text": str(1 << 70)}
        assert memory["nan"] == {"$type": "float", "text": "nan"}
        assert memory["bytes"] == {"$type": "bytes", "text": "00 ff"}
        assert memory["long"] == {"$text": "x" * 100_000, "$cut": 100_000}
        assert memory["object"] == {"inner": True}
        assert found["more"] is None

    def test_many_fields_come_in_pages(self, tmp_path: Path) -> None:
        fields = {f"f{number}": number for number in range(50)}
        with opened_page(make_state(tmp_path / "s", {"a": fields, "b": {"other": 1}})) as page:
            found: dict[str, Any] = {}
            more: str | None = ""
            while more is not None:
                part = page.get(f"0/keys/{token_of('a')}", limit=8, after=more)
                assert len(part["memory"]) <= 8
                found.update(part["memory"])
                more = part["more"]
        assert found == fields

    def test_a_nest_that_names_itself_many_times_stays_small(self, tmp_path: Path) -> None:
        nest: list[Any] = ["x" * 100]
        for _ in range(30):
            nest = [nest] * 10
        with opened_page(make_state(tmp_path / "s", {"a": {"bomb": nest}})) as page:
            answer = page.client.get(f"/api/0/keys/{token_of('a')}")
        assert len(answer.content) < 5_000_000

    def test_markup_is_sent_as_json_that_no_browser_takes_for_a_page(self, tmp_path: Path) -> None:
        with opened_page(make_state(tmp_path / "s", {SCRIPT: {SCRIPT: SCRIPT}})) as page:
            for address in ("keys", f"keys/{token_of(SCRIPT)}"):
                answer = page.client.get(f"/api/0/{address}")
                assert answer.headers["content-type"] == "application/json"
                assert SCRIPT in answer.text
                json.loads(answer.text)

    def test_a_key_without_memory_has_none(self, tmp_path: Path) -> None:
        with opened_page(make_state(tmp_path / "s")) as page:
            assert page.get(f"0/keys/{token_of('nobody')}")["memory"] == {}
            assert "no key" in page.error("0/keys/eg", 400)


def letter(offset: int, **fields: Any) -> DeadLetter:
    return DeadLetter(
        **{
            "offset": offset,
            "key": encode_key("k"),
            "payload": b'{"n": 1}',
            "codec": "json",
            "cause": "exception",
            "error": SCRIPT,
            **fields,
        }
    )


class TestDeadLetters:
    def test_pages_have_each_letter_once_by_offset(self, tmp_path: Path) -> None:
        offsets = [*range(0, 90, 3), 1 << 48 | 5]
        state = make_state(tmp_path / "s", letters=map(letter, offsets))
        with opened_page(state) as page:
            numbers: list[str] = []
            after: str | None = ""
            while after is not None:
                found = page.get("0/dead-letters", after=after, limit=7)
                assert found["total"] == len(offsets)
                numbers += [row["number"] for row in found["letters"]]
                after = found["next"]
        assert numbers == [str(offset) for offset in offsets]

    def test_those_of_one_cause(self, tmp_path: Path) -> None:
        letters = [letter(0), letter(1, cause="timeout"), letter(2), letter(3, cause="crash")]
        with opened_page(make_state(tmp_path / "s", letters=letters)) as page:
            found = page.get("0/dead-letters", cause="timeout")
            assert [row["offset"] for row in found["letters"]] == ["1"]
            assert found["causes"] == {"exception": 2, "timeout": 1, "crash": 1}

    def test_one_has_its_traceback_and_its_input(self, tmp_path: Path) -> None:
        letters = [letter(5, traceback="Traceback ...", payload=b'{"n": [1]}')]
        with opened_page(make_state(tmp_path / "s", letters=letters)) as page:
            found = page.get("0/dead-letters/5")
            assert page.error("0/dead-letters/6", 404).startswith("There is no dead letter 6")
        assert found["input"] == {"n": [1]}
        assert found["traceback"] == "Traceback ..."
        assert found["error"] == SCRIPT
        assert found["token"] == token_of("k")

    def test_a_malformed_input_is_shown_as_text(self, tmp_path: Path) -> None:
        letters = [letter(5, payload=b"{not json \xff", cause="bad-input")]
        with opened_page(make_state(tmp_path / "s", letters=letters)) as page:
            assert page.get("0/dead-letters/5")["input"] == "{not json \\xff"

    @pytest.mark.parametrize(
        "body",
        [{}, {"numbers": []}, {"numbers": ["x"]}, {"all": True, "cause": "crash"}, {"cause": 1}],
    )
    def test_a_retry_says_which(self, tmp_path: Path, body: dict[str, Any]) -> None:
        with opened_page(make_state(tmp_path / "s"), allow=True) as page:
            assert page.post("0/dead-letters/retry", body).status_code == 400

    def test_a_retry_at_rest_names_the_command_that_does_it(self, tmp_path: Path) -> None:
        with opened_page(make_state(tmp_path / "s"), allow=True) as page:
            answer = page.post("0/dead-letters/retry", {"all": True})
        assert answer.status_code == 409
        assert "tamias dead-letters retry" in answer.json()["error"]["hint"]

    def test_a_huge_input_is_not_read(self, tmp_path: Path) -> None:
        letters = [letter(5, payload=b'"' + b"x" * (17 << 20) + b'"')]
        with opened_page(make_state(tmp_path / "s", letters=letters)) as page:
            found = page.get("0/dead-letters/5")
        assert "too large" in found["input"]["$unreadable"]
        assert found["bytes"] == (17 << 20) + 2


def test_no_snapshot_stays_open_between_requests(tmp_path: Path) -> None:
    state = make_state(tmp_path / "s", {"a": {"n": 1}}, [letter(1)], shards=1)
    with opened_page(state) as page:
        for address in ("status", "keys", f"keys/{token_of('a')}", "dead-letters", "questions"):
            page.get(f"0/{address}")
        shard = open_reader(StateLayout(state).shard(0))  # shares what this process has open
        lines = str(shard.require().readers()).splitlines()[1:]
        shard.close()
    assert lines
    assert all(line.split()[-1] == "-" for line in lines)


class TestSets:
    def test_items_of_a_keys_set_come_in_pages_and_are_found_by_words(self, tmp_path: Path) -> None:
        state = memory_sets.made(tmp_path / "s")
        items = [
            memory_sets.item(f"i{n}", f"note {n} {SCRIPT}", metadata={"n": n}) for n in range(9)
        ]
        memory_sets.add(state, "ada", "notes/of the day", *items)
        with opened_page(state) as page:
            (row,) = page.get("0/keys")["keys"]
            assert (row["text"], row["fields"], row["sets"]) == ("ada", 0, 1)
            (found,) = page.get(f"0/keys/{row['token']}")["sets"]
            assert (found["name"], found["size"]) == ("notes/of the day", 9)
            address = f"0/keys/{row['token']}/sets/notes/of the day"
            ids: list[str] = []
            after: str | None = ""
            while after is not None:
                part = page.get(address, limit=4, after=after)
                ids += [each["id"] for each in part["items"]]
                after = part["next"]
            assert ids == [f"i{n}" for n in range(9)]
            best = page.get(address, query="note 7", limit=1)["items"][0]
            assert (best["id"], best["value"], best["metadata"]) == (
                "i7",
                f"note 7 {SCRIPT}",
                {"n": 7},
            )
            assert page.error(f"0/keys/{row['token']}/sets/other", 404)

    def test_a_shared_set_is_shown_over_all_shards(self, tmp_path: Path) -> None:
        state = memory_sets.made(tmp_path / "s")
        keys = [f"k{n}" for n in range(12)]
        for key in keys:
            item = memory_sets.item(key, f"of {key}", owner=encode_key(key))
            memory_sets.add(state, key, "all", item, shared=True)
        with opened_page(state) as page:
            (found,) = page.get("0/sets")["sets"]
            assert (found["name"], found["shared"], found["size"]) == ("all", True, 12)
            rows: list[dict[str, Any]] = []
            after: str | None = ""
            while after is not None:
                part = page.get("0/sets/all", limit=5, after=after)
                rows += part["items"]
                after = part["next"]
            assert sorted(row["id"] for row in rows) == sorted(keys)
            assert {row["id"]: row["added_by"] for row in rows} == {key: key for key in keys}

    def test_a_shared_set_of_a_flink_task_has_a_part_in_each_key_group(
        self, tmp_path: Path
    ) -> None:
        state = memory_sets.made(tmp_path / "s")
        keys = [f"k{n}" for n in range(12)]
        for number, key in enumerate(2 * keys):
            item = memory_sets.item(f"{key} {number}", f"of {key}", owner=encode_key(key))
            memory_sets.add(state, key, "all", item, shared=True, group=number % 5)
        with opened_page(state) as page:
            (found,) = page.get("0/sets")["sets"]
            assert (found["shared"], found["size"]) == (True, 24)
            rows: list[str] = []
            after: str | None = ""
            while after is not None:
                part = page.get("0/sets/all", limit=5, after=after)
                rows += [row["id"] for row in part["items"]]
                after = part["next"]
            wanted = [f"{key} {number}" for number, key in enumerate(2 * keys)]
            assert sorted(rows) == sorted(wanted)


class TestLogs:
    def test_the_last_lines_and_then_what_follows(self, tmp_path: Path) -> None:
        state = make_state(tmp_path / "s")
        log = StateLayout(state).pool_log
        log.write_text(
            "".join(f"[worker {n % 2}, input {n}, key 'k'] line {n}\n" for n in range(9))
        )
        with opened_page(state) as page:
            found = page.get("0/logs", lines=2, worker=1)
            assert [line["offset"] for line in found["lines"]] == ["5", "7"]
            with log.open("a") as file:
                file.write("[worker 0] more\n[worker 0] half a li")
            more = page.get("0/logs", after=found["next"])
            assert [line["text"] for line in more["lines"]] == ["[worker 0] more"]
            assert page.get("0/logs", after=more["next"])["lines"] == []
            log.write_text("[worker 0] anew\n")
            again = page.get("0/logs", after=more["next"])
            assert [line["text"] for line in again["lines"]] == ["[worker 0] anew"]


class TestJobs:
    def test_jobs_below_a_folder_are_found(self, tmp_path: Path) -> None:
        for name in ("b", "a/inner", ".hidden", "1/2/3/4/5"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            make_state(tmp_path / name)
        with opened_page(below=tmp_path) as page:
            rows = page.get("jobs")
        assert [(row["id"], row["name"]) for row in rows] == [("0", "b"), ("1", "inner")]

    def test_jobs_of_the_same_name_are_told_apart(self, tmp_path: Path) -> None:
        for name in ("shop/out.tamias", "shop/other.tamias", "till/out.tamias"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            make_state(tmp_path / name)
        with opened_page(below=tmp_path) as page:
            names = {row["name"] for row in page.get("jobs")}
        assert names == {"shop/out.tamias", "other.tamias", "till/out.tamias"}

    def test_a_state_directory_may_vanish_and_come_back(self, tmp_path: Path) -> None:
        state = make_state(tmp_path / "s", {"a": {"n": 1}})
        with opened_page(state) as page:
            assert all_keys(page) == ["a"]
            state.rename(tmp_path / "moved")
            assert "no state directory now" in page.error("0/keys", 503)
            assert page.get("jobs")[0]["error"]
            make_state(state, {"b": {"n": 1}})
            assert all_keys(page) == ["b"]
            shutil.rmtree(state)
            assert page.error("0/status", 503)

    def test_the_status_of_a_job_that_never_ran(self, tmp_path: Path) -> None:
        with opened_page(make_state(tmp_path / "s")) as page:
            status = page.get("0/status")
        assert status["running"] is False
        assert status["agent"] == "m:A"
        assert status["workers"] == []
        assert status["questions"] == 0

    @pytest.mark.parametrize(
        "address",
        ["history", "dead-letters", "questions", "logs", "limits", "generations", "sets", "keys"],
    )
    def test_an_empty_job_has_something_to_show_everywhere(
        self, tmp_path: Path, address: str
    ) -> None:
        with opened_page(make_state(tmp_path / "s")) as page:
            assert isinstance(page.get(f"0/{address}"), dict)
            assert page.error(f"7/{address}", 404)

    def test_without_a_profile_there_is_an_empty_one(self, tmp_path: Path) -> None:
        with opened_page(make_state(tmp_path / "s")) as page:
            assert page.get("0/profile", against=60)["total"] == 0

    def test_places_of_jobs_that_have_vanished_are_used_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "MOST_JOBS", 2)
        monkeypatch.setattr(jobs, "_SEARCH_EVERY", 0.0)
        for name in ("a", "b"):
            make_state(tmp_path / name)
        with opened_page(below=tmp_path) as page:
            make_state(tmp_path / "c")
            assert [row["name"] for row in page.get("jobs")] == ["a", "b"]
            shutil.rmtree(tmp_path / "a")
            rows = page.get("jobs")
            assert [(row["id"], row["name"]) for row in rows] == [("1", "b"), ("2", "c")]
            assert page.error("0/status", 404)

"""Configuration: where settings come from, which one holds, and what is refused."""

from __future__ import annotations

import pickle
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias import ConfigError, ConfigOption, Configuration, PoolOptions
from tamias.agent.config.configuration import parse_assignments
from tamias.agent.config.options import KNOWN_OPTIONS

if TYPE_CHECKING:
    from pathlib import Path

SPEED = ConfigOption("speed", int, 1)
OPEN = ConfigOption("shop.open", bool, True)


class Mood(Enum):
    CALM = "calm"
    ANGRY = "angry"


MOOD = ConfigOption("mood", Mood, Mood.CALM)


# ------------------------------------------------------------------ precedence

LAYERS = ("file", "override", "program")


@given(
    given=st.lists(
        st.tuples(st.sampled_from(LAYERS), st.sampled_from("abc"), st.integers(0, 9)), max_size=12
    )
)
def test_precedence_whatever_the_order_of_calls(given: list[tuple[str, str, int]]) -> None:
    config = Configuration()
    expected: dict[str, dict[str, int]] = {layer: {} for layer in LAYERS}
    for layer, key, value in given:
        expected[layer][key] = value
        if layer == "file":
            config.load_yaml_text(f"{key}: {value}")
        elif layer == "override":
            config = config.with_overrides({key: str(value)})
        else:
            config.set_int(key, value)

    # The model: the highest layer that has the key, and within a layer what was given last.
    for key in "abc":
        held = [expected[layer][key] for layer in reversed(LAYERS) if key in expected[layer]]
        assert config.get_int(key, -1) == (held[0] if held else -1)
        assert config.get(ConfigOption(key, int, -1)) == config.get_int(key, -1)
    assert set(config.data) == {key for _, key, _ in given}


def test_a_default_holds_when_nothing_is_set() -> None:
    assert Configuration().get(SPEED) == 1
    assert Configuration().get_str("x") is None
    assert Configuration().get_bool("x", default=True) is True


def test_an_empty_value_is_as_good_as_none() -> None:
    config = Configuration.from_yaml_text("speed:\nname: x")
    assert config.get(SPEED) == 1
    assert config.data == {"name": "x"}


def test_setting_none_uncovers_what_is_below() -> None:
    config = Configuration.from_yaml_text("speed: 5")
    config.set(SPEED, 7)
    config.set(SPEED, None)
    assert config.get(SPEED) == 5


def test_copies_are_independent() -> None:
    config = Configuration({"speed": 2})
    other = config.with_overrides({"name": "x"})
    other.set(SPEED, 3)
    assert config.get(SPEED) == 2
    assert config.get_str("name") is None

    config.data["speed"] = 99
    assert config.get(SPEED) == 2


# ------------------------------------------------------------------ files

SCALARS = st.one_of(st.booleans(), st.integers(), st.text(max_size=5))
TREES = st.recursive(
    SCALARS,
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3),
    max_leaves=10,
).filter(lambda tree: isinstance(tree, dict))


def leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= (
            leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return found


@given(TREES)
def test_nested_and_dotted_are_the_same(tree: dict[str, Any]) -> None:
    nested, dotted = Configuration(tree), Configuration(leaves(tree))
    assert nested == dotted
    assert nested.data == leaves(tree)


def test_at_the_top_level_or_in_a_section() -> None:
    top = Configuration.from_yaml_text("workers: 5\nshop:\n  open: false\n")
    section = Configuration.from_yaml_text("agent:\n  workers: 5\n  shop.open: false\n")

    assert top == section
    assert top.get(PoolOptions.WORKERS) == 5
    assert top.get(OPEN) is False


def test_with_both_the_section_wins() -> None:
    text = "workers: 2\nshards: 8\nagent:\n  workers: 4\n"
    config = Configuration.from_yaml_text(text)
    assert config.get(PoolOptions.WORKERS) == 4
    assert config.get(PoolOptions.SHARDS) == 8


def test_beside_a_section_others_may_have_names_like_ours() -> None:
    text = "worker: 1\nstate-dirs: /tmp\nagent:\n  workers: 4\n"
    assert Configuration.from_yaml_text(text).get(PoolOptions.WORKERS) == 4
    with pytest.raises(ConfigError, match="Did you mean 'workers'"):
        Configuration.from_yaml_text("agent:\n  worker: 4\n")


def test_the_file_loaded_last_holds(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("speed: 1\nname: one")
    (tmp_path / "two.yaml").write_text("agent: {speed: 2}")
    config = Configuration.from_file(tmp_path / "one.yaml")
    config.load_file(str(tmp_path / "two.yaml"))
    assert config.data == {"speed": 2, "name": "one"}


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    assert Configuration.from_file(tmp_path / "empty.yaml").data == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "a: [1",
            r"c.yaml is not valid YAML: line 1, column 6: while parsing a flow [^\n]*\.$",
        ),
        ("a: 2024-13-99", "c.yaml is not valid YAML"),
        ("- 1\n- 2", "c.yaml holds a list"),
        ("just words", "c.yaml holds a str"),
        ("agent: 3", "'agent:' in .*c.yaml is 3"),
        ("workers: many", "'workers' is 'many', wanted: a whole number in .*c.yaml"),
        ("durabilty: none", "'durabilty' in .*c.yaml.*Did you mean 'durability'"),
        ("a: {b: 1}\na.b: 2", "'a.b' is given twice in .*c.yaml"),
        ("a: &a\n  b: *a\n", "contains itself"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        Configuration().load_file(tmp_path / "c.yaml")


def test_a_file_that_is_not_there_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        Configuration().load_file(tmp_path / "c.yaml")
    path = tmp_path / "c.yaml"
    said = f"The configuration file {path} cannot be read: No such file or directory."
    assert raised.value.message == said


def test_a_bad_file_changes_nothing() -> None:
    config = Configuration.from_yaml_text("speed: 5")
    with pytest.raises(ConfigError):
        config.load_yaml_text("speed: 6\nworkers: many")
    assert config.data == {"speed": 5}


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("missing.yaml", ".", "binary"):
        with pytest.raises(ConfigError, match="cannot be read"):
            Configuration().load_file(tmp_path / name)


# ------------------------------------------------------------------ the command line


def test_assignments() -> None:
    settings = parse_assignments(
        ["workers=4", "Model.stop=[a, b]", "Model.temperature=0.2", "note=a=b", "empty="]
    )
    assert settings == {
        "workers": "4",
        "Model.stop": ["a", "b"],
        "Model.temperature": 0.2,
        "note": "a=b",
        "empty": None,
    }
    assert Configuration().with_overrides(settings).get(PoolOptions.WORKERS) == 4


def test_the_value_of_a_known_option_is_not_mangled_by_yaml() -> None:
    config = Configuration().with_overrides(parse_assignments(["state-dir=007"]))
    assert config.get(PoolOptions.STATE_DIR) == "007"


@pytest.mark.parametrize("bad", ["workers", "=4", "x=[1"])
def test_bad_assignments(bad: str) -> None:
    with pytest.raises(ConfigError):
        parse_assignments([bad])


# ------------------------------------------------------------------ types and limits


def test_typed_access() -> None:
    config = Configuration({"i": "4", "f": "0.5", "b": "yes", "s": 7})
    assert config.get_int("i") == 4
    assert config.get_float("f") == 0.5
    assert config.get_bool("b") is True
    assert config.get_str("s") == "7"


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("int", "x", "a whole number"),
        ("float", "x", "a number"),
        ("bool", "x", "true or false"),
        ("str", [1], "text"),
    ],
)
def test_a_wrong_type_names_key_value_and_what_is_wanted(
    kind: str, value: object, wanted: str
) -> None:
    config = Configuration({"my.key": value})
    with pytest.raises(ConfigError) as caught:
        getattr(config, f"get_{kind}")("my.key")
    for part in ("'my.key'", repr(value), wanted):
        assert part in str(caught.value)


@pytest.mark.parametrize("kind", ["int", "float", "bool", "str"])
def test_setters_check_too(kind: str) -> None:
    with pytest.raises(ConfigError, match="'key'"):
        getattr(Configuration(), f"set_{kind}")("key", [])


def test_setters_and_getters_agree() -> None:
    config = Configuration()
    config.set_int("i", 1)
    config.set_float("f", 0.5)
    config.set_bool("b", False)
    config.set_str("s", "x")
    assert config.data == {"i": 1, "f": 0.5, "b": False, "s": "x"}


@pytest.mark.parametrize("value", ["angry", "ANGRY", Mood.ANGRY])
def test_enum_options(value: object) -> None:
    assert Configuration({"mood": value}).get(MOOD) is Mood.ANGRY


def test_an_enum_option_names_what_it_takes() -> None:
    for way in (
        lambda: Configuration().set(MOOD, "x"),
        lambda: Configuration({"mood": "x"}).get(MOOD),
    ):
        with pytest.raises(ConfigError, match=r"'mood' is 'x', wanted: one of calm, angry"):
            way()


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        (PoolOptions.SHARDS, 0, "at least 1"),
        (PoolOptions.WORKERS, -1, "at least 0"),
        (PoolOptions.DURABILITY, "forever", "one of none, process, machine"),
        (PoolOptions.ON_ERROR, "shrug", "one of fail, dead-letter, ignore"),
        (PoolOptions.MEMORY_LIMIT, "much", "a size in bytes"),
        (PoolOptions.RUN_TIMEOUT, "-1s", "a duration"),
    ],
)
def test_limits_are_checked_on_every_way_in(
    option: ConfigOption[Any], value: object, wanted: str
) -> None:
    for way in (
        lambda: Configuration().set(option, value),
        lambda: Configuration({option.key: value}),
        lambda: Configuration().with_overrides({option.key: value}),
        lambda: Configuration.from_yaml_text(f"{option.key}: {value}"),
    ):
        with pytest.raises(ConfigError, match=wanted) as caught:
            way()
        assert option.key in str(caught.value)


def test_units() -> None:
    config = Configuration.from_yaml_text("memory-limit: 512MiB\nrun-timeout: 1min")
    assert config.get(PoolOptions.MEMORY_LIMIT) == 512 << 20
    assert config.get(PoolOptions.RUN_TIMEOUT) == 60.0


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("worker", "workers"),
        ("Workers", "workers"),
        ("batch_size", "batch-size"),
        ("batchsize", "batch-size"),
        ("max_attempt", "max-attempts"),
        ("durabilty", "durability"),
        ("num-async-thread", "num-async-threads"),
        ("runtimeout", "run-timeout"),
    ],
)
def test_a_mistyped_name_is_not_ignored(typo: str, meant: str) -> None:
    for way in (
        lambda: Configuration({typo: 1}),
        lambda: Configuration().set_int(typo, 1),
        lambda: Configuration().with_overrides({typo: 1}),
        lambda: Configuration.from_yaml_text(f"{typo}: 1"),
    ):
        with pytest.raises(ConfigError, match=f"Did you mean '{meant}'"):
            way()


@pytest.mark.parametrize(
    "key", ["window-size", "temperature", "MyModel.window", "db.workers", "timeout", "chat.model"]
)
def test_names_of_ones_own_are_free(key: str) -> None:
    assert Configuration({key: 1}).get_int(key) == 1


@pytest.mark.parametrize("option", KNOWN_OPTIONS.values(), ids=str)
def test_every_known_option_is_described_and_takes_its_default(
    option: ConfigOption[Any],
) -> None:
    assert option.description
    assert Configuration().get(option) == option.default
    if option.default is not None:
        assert option.convert(option.default) == option.default
        assert option.convert(str(option.default)) == option.default


def test_options_as_flink_agents_spells_them() -> None:
    option = ConfigOption("key", float, 2.5)
    assert (option.get_key(), option.get_type(), option.get_default_value()) == ("key", float, 2.5)
    assert ConfigOption("key", str).get_default_value() is None


# ------------------------------------------------------------------ the rest


def test_a_section_is_nested_again() -> None:
    config = Configuration({"Model.temperature": 0.2, "Model.headers.auth": "x", "Models.a": 1})
    assert config.section("Model") == {"temperature": 0.2, "headers": {"auth": "x"}}
    assert config.section("Nothing") == {}


def test_layers_survive_pickling() -> None:
    config = Configuration.from_yaml_text("speed: 1\nname: x").with_overrides({"speed": 2})
    config.set(PoolOptions.WORKERS, 3)

    copy = pickle.loads(pickle.dumps(config))

    assert copy == config
    copy.load_yaml_text("speed: 9\nworkers: 9\nname: y")
    assert (copy.get(SPEED), copy.get(PoolOptions.WORKERS), copy.get_str("name")) == (2, 3, "y")

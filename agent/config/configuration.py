"""`Configuration`: the settings of a job, from a file, the command line and the program.

Where a setting is given more than once, the more deliberate one holds, whatever the order of calls:

1. ``configuration.set(...)`` and its typed sisters, in the program,
2. ``--set KEY=VALUE`` on the command line (`with_overrides`),
3. the configuration file (`load_file`; of several files, the one loaded last),
4. the default of the option.

A file is YAML. Nested mappings are flattened to dotted keys, so ``shop: {open: false}`` is
``shop.open: false``. Settings stand at the top level or in an ``agent:`` section; where a file has
both (a Flink ``config.yaml`` with our section in it, say), ``agent:`` wins for a key given in both.

Keys are free: actions and resources read their own (``MyModel.temperature``). But a key that looks
like a mistyped name of an option of tamias, ``max_attempt`` for ``max-attempts``, is an error and
not silently ignored, and the values of known options are checked where they come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ConfigError, reason_of
from ..naming.public import public
from .option import ConfigOption, bad_value
from .options import KNOWN_OPTIONS
from .secret_names import shown
from .values import converter
from .yaml_text import flatten, nest, parse_yaml, place

__all__ = ["Configuration", "parse_assignments"]

T = TypeVar("T")
D = TypeVar("D")

_SECTION = "agent"
_CLOSE = 0.8  # "max-attempt" for "max-attempts" is, "window-size" for "window" is not


@public
class Configuration:
    """Settings by dotted key, with typed access. Plain data, so it travels to the workers."""

    __slots__ = ("_file", "_merged", "_overrides", "_program")

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        """Start from ``data``, nested or flat, as if each were given to ``set()``."""
        self._file: dict[str, Any] = {}
        self._overrides: dict[str, Any] = {}
        self._program = _checked(flatten(data or {}), "")
        self._merged: dict[str, Any] = {}
        self._merge()

    # -------------------------------------------------------------- where settings come from

    @classmethod
    def from_yaml_text(cls, text: str, source: str = "the configuration") -> Configuration:
        """A configuration with the settings of a YAML text; ``source`` names it in errors."""
        configuration = cls()
        configuration.load_yaml_text(text, source)
        return configuration

    @classmethod
    def from_file(cls, path: str | Path) -> Configuration:
        """A configuration with the settings of a YAML file."""
        configuration = cls()
        configuration.load_file(path)
        return configuration

    def load_file(self, path: str | Path) -> None:
        """Take the settings of a YAML file in, over those of files loaded before.

        Raises `ConfigError` when the file cannot be read, is not YAML, or holds a bad setting.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"The configuration file {path} cannot be read: {reason_of(error)}."
            raise ConfigError(msg, hint="Give the path of a readable YAML file.") from error
        self.load_yaml_text(text, str(path))

    def load_yaml_text(self, text: str, source: str = "the configuration") -> None:
        """As `load_file`, from a text."""
        self._file.update(_settings_of(parse_yaml(text, source), source))
        self._merge()

    def add_defaults(self, settings: Mapping[str, Any], source: str = "") -> None:
        """Set what is not set by a file, the command line or the program."""
        self._file = {**_checked(flatten(settings), source), **self._file}
        self._merge()

    def with_overrides(self, overrides: Mapping[str, Any]) -> Configuration:
        """A copy in which ``overrides`` (what the command line gives) stand above the file."""
        copy = self.copy()
        copy.override(overrides)
        return copy

    def override(self, overrides: Mapping[str, Any]) -> None:
        """As `with_overrides`, in place."""
        self._overrides.update(_checked(flatten(overrides), "--set"))
        self._merge()

    def copy(self) -> Configuration:
        """An independent copy."""
        copy = Configuration()
        copy._file = dict(self._file)
        copy._overrides = dict(self._overrides)
        copy._program = dict(self._program)
        copy._merge()
        return copy

    def set(self, option: ConfigOption[Any], value: Any) -> None:
        """Set an option. Raises `ConfigError` when the value is not of its type."""
        if value is not None:
            option.convert(value)
        self._put(option.key, value)

    def set_str(self, key: str, value: str) -> None:
        """Set a text. Raises `ConfigError` for another type."""
        self._put(key, _converted(key, str, value))

    def set_int(self, key: str, value: int) -> None:
        """Set a whole number. Raises `ConfigError` for another type."""
        self._put(key, _converted(key, int, value))

    def set_float(self, key: str, value: float) -> None:
        """Set a number. Raises `ConfigError` for another type."""
        self._put(key, _converted(key, float, value))

    def set_bool(self, key: str, value: bool) -> None:  # noqa: FBT001  (as Flink Agents has it)
        """Set a truth value. Raises `ConfigError` for another type."""
        self._put(key, _converted(key, bool, value))

    def _put(self, key: str, value: Any) -> None:
        self._program.update(_checked({key: value}, ""))
        self._merge()

    def _merge(self) -> None:
        layers = (self._file, self._overrides, self._program)
        # None, in YAML an empty value, is "not set here".
        self._merged = {
            key: value for layer in layers for key, value in layer.items() if value is not None
        }

    # -------------------------------------------------------------- reading

    @property
    def data(self) -> dict[str, Any]:
        """What is set, by dotted key, as it was given: a copy, without defaults."""
        return dict(self._merged)

    def get(self, option: ConfigOption[T]) -> T:
        """The value of an option, in its type, or its default.

        Raises `ConfigError` when what is set cannot be read as that type.
        """
        value = self._merged.get(option.key)
        return option.default if value is None else option.convert(value)

    def get_int(self, key: str, default: D = None) -> int | D:  # type: ignore[assignment]
        """The whole number set under ``key``. Raises `ConfigError` when it is none."""
        return self._typed(key, int, default)

    def get_float(self, key: str, default: D = None) -> float | D:  # type: ignore[assignment]
        """The number set under ``key``. Raises `ConfigError` when it is none."""
        return self._typed(key, float, default)

    def get_bool(self, key: str, default: D = None) -> bool | D:  # type: ignore[assignment]
        """The truth value set under ``key``. Raises `ConfigError` when it is none."""
        return self._typed(key, bool, default)

    def get_str(self, key: str, default: D = None) -> str | D:  # type: ignore[assignment]
        """The text set under ``key``. Raises `ConfigError` when it is none."""
        return self._typed(key, str, default)

    def _typed(self, key: str, kind: type[T], default: D) -> T | D:
        value = self._merged.get(key)
        return default if value is None else _converted(key, kind, value)

    def section(self, prefix: str) -> dict[str, Any]:
        """What is set under ``prefix.``, nested again: the settings of a resource class, say."""
        start = prefix + "."
        nested: dict[str, Any] = {}
        for key, value in self._merged.items():
            if key.startswith(start):
                nest(nested, key[len(start) :].split("."), value)
        return nested

    def __eq__(self, other: object) -> bool:
        return self._merged == other._merged if isinstance(other, Configuration) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Configuration({shown(self._merged)!r})"


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """``["workers=4", "Model.stop=[a, b]"]`` as settings.

    The value of an option of tamias is taken as text, any other as YAML reads it. Raises
    `ConfigError` for one without ``=`` or key, or whose value is not YAML.
    """
    settings: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        key = key.strip()
        if not equals or not key:
            msg = f"{assignment!r} is not a setting."
            raise ConfigError(msg, hint="Write KEY=VALUE, as in --set workers=4.")
        # As text, because YAML reads 007 as a number and 1:30 as ninety.
        known = key in KNOWN_OPTIONS
        settings[key] = value.strip() if known else parse_yaml(value, f"--set {key}")
    return flatten(settings)


def _settings_of(document: Any, source: str) -> dict[str, Any]:
    """The flat settings of a document: its top level, and over it its ``agent:`` section."""
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        msg = f"{source} holds a {type(document).__name__}, not settings."
        raise ConfigError(msg, hint="Write one `key: value` per line.")
    rest = dict(document)
    section = rest.pop(_SECTION, None)
    if section is None:
        return _checked(flatten(rest, source), source)
    if not isinstance(section, Mapping):
        msg = f"'agent:' in {source} is {section!r}, not a section with settings."
        raise ConfigError(msg, hint="Indent the settings under 'agent:'.")
    # Beside a section stands what belongs to others, whose names may resemble ours.
    settings = _checked(flatten(rest, source), source, names=False)
    settings.update(_checked(flatten(section, source), source))
    return settings


def _converted(key: str, kind: type[T], value: object) -> T:
    try:
        converted: T = converter(kind)(value)
    except ValueError as error:
        raise bad_value(key, value, str(error)) from None
    return converted


def _checked(settings: dict[str, Any], source: str, *, names: bool = True) -> dict[str, Any]:
    """``settings``, checked: known options of the right type, no mistyped name."""
    for key, value in settings.items():
        option = KNOWN_OPTIONS.get(key)
        if option is None:
            if names:
                _check_name(key, source)
        elif value is not None:
            try:
                option.convert(value)
            except ConfigError as error:
                raise ConfigError(f"{error.message[:-1]}{place(source)}.") from None
    return settings


def _check_name(key: str, source: str) -> None:
    plain = key.lower().replace("_", "-")
    # A dot more or less is no typing error: "db.workers" is an option of the user's.
    alike = [known for known in KNOWN_OPTIONS if known.count(".") == key.count(".")]
    close = get_close_matches(plain, alike, n=1, cutoff=_CLOSE)
    if close:
        msg = f"There is no setting {key!r}{place(source)}. Did you mean {close[0]!r}?"
        hint = "(A setting of your own needs a name that is not so close to one of tamias's.)"
        raise ConfigError(msg, hint=hint)

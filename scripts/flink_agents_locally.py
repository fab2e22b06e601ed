"""Run a program for Flink on this machine, its streams being lists: PROGRAM.py as `__main__`.

The program is as it is. What it has of PyFlink to read, map and print is replaced by what does this
with lists, so no Flink is started; its agents run in tamias's local pool. Enough for the examples
of Flink Agents: a window has all that there is.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyflink.common
import pyflink.datastream
import pyflink.datastream.connectors.file_system
import pyflink.datastream.window
import pyflink.table
import pyflink.table.expressions
from flink_agents.api.execution_environment import AgentsExecutionEnvironment
from pyflink.common import Row

from tamias.flink_agents.dialect import dialect
from tamias.store.encoding.json_rows import json_form

_LOCAL = AgentsExecutionEnvironment.get_execution_environment
_PRINTED: list[Stream] = []


class Anything:
    """Has every attribute, and is what every call of it returns: settings that have no effect."""

    def __getattr__(self, name: str) -> Anything:
        return self

    def __call__(self, *_: Any, **__: Any) -> Anything:
        """Return it."""
        return self


class Stream:
    """Values that are computed when somebody reads them."""

    def __init__(self, read: Callable[[], list[Any]]) -> None:
        self.read = read

    def map(self, func: Callable[[Any], Any]) -> Stream:
        """Apply a function to each value."""
        return Stream(lambda: [func(each) for each in self.read()])

    def key_by(self, func: Callable[[Any], Any]) -> Keyed:
        """Group the values."""
        return Keyed(self, func)

    def print(self) -> None:
        """Print the values when the program is executed."""
        _PRINTED.append(self)

    def select(self, *names: str) -> Stream:
        """Keep some fields of rows."""
        return Stream(lambda: [Row(**{name: row[name] for name in names}) for row in self.read()])


class Keyed:
    """Groups of a stream."""

    def __init__(self, stream: Stream, key: Callable[[Any], Any]) -> None:
        self._stream = stream
        self._key = key

    def window(self, _: Any) -> Keyed:
        """One window for all."""
        return self

    def process(self, function: Any) -> Stream:
        """Apply a function of windows to each group."""

        def read() -> list[Any]:
            groups: defaultdict[Any, list[Any]] = defaultdict(list)
            for each in self._stream.read():
                groups[self._key(each)].append(each)
            return [
                one for key, all_ in groups.items() for one in function.process(key, None, all_)
            ]

        return Stream(read)


class Lists:
    """Stands for Flink's environments, of streams and of tables."""

    def __init__(self) -> None:
        self._tables: dict[str, Path] = {}

    def set_parallelism(self, _: int) -> None:
        """Do nothing."""

    def from_collection(self, collection: Iterable[Any], *_: Any) -> Stream:
        """Take values as they are."""
        return Stream(lambda: list(collection))

    def from_source(self, source: Path, *_: Any, **__: Any) -> Stream:
        """Take the lines of a file, or of all files in a folder."""
        files = sorted(source.rglob("*.txt")) if source.is_dir() else [source]
        texts = (each.read_text(encoding="utf-8") for each in files)
        return Stream(lambda: [line for text in texts for line in text.splitlines()])

    def create_temporary_table(self, name: str, descriptor: Descriptor) -> None:
        """Name a file of JSON lines."""
        self._tables[name] = descriptor.path

    def from_path(self, name: str) -> Stream:
        """Take the rows of a table."""
        return self.from_source(self._tables[name]).map(json.loads)


class FileLines(Anything):
    """Builds a source, which is the file's path."""

    def __init__(self, _: Any = None, url: str = "") -> None:
        self._path = _path_of(url)

    def build(self) -> Path:
        """Return the path."""
        return self._path


class Descriptor(Anything):
    """Keeps the path of a table."""

    path = Path()

    def option(self, name: str, value: str) -> Descriptor:
        """Keep the path."""
        if name == "path":
            self.path = _path_of(value)
        return self

    def schema(self, _: Any) -> Descriptor:
        """Take any schema."""
        return self

    def build(self) -> Descriptor:
        """Return it."""
        return self


def _path_of(url: str) -> Path:
    return Path(url.removeprefix("file://"))


class Agents:
    """Stands for an environment of Flink Agents; each agent gets a local one when it is run."""

    def __init__(self) -> None:
        self.made: list[tuple[str, tuple[Any, ...]]] = []
        self._config = _LOCAL().get_config()

    def get_config(self) -> Any:
        """Return what all agents get."""
        return self._config

    def add_resource(self, *given: Any) -> Agents:
        """Keep a resource for all agents."""
        self.made.append(("add_resource", given))
        return self

    def load_yaml(self, *given: Any) -> Agents:
        """Keep documents for all agents."""
        self.made.append(("load_yaml", given))
        return self

    def from_datastream(self, input: Stream, key_selector: Any) -> Agents.Applied:
        """Take values of a stream."""
        return Agents.Applied(self, input, getattr(key_selector, "get_key", key_selector))

    from_table = from_datastream

    def execute(self, *_: Any) -> None:
        """Print what is to be printed."""
        for stream in _PRINTED:
            for each in stream.read():
                print(each)

    class Applied:
        """An agent with its inputs."""

        def __init__(self, agents: Agents, input: Stream, key: Callable[[Any], Any]) -> None:
            self._agents = agents
            self._input = input
            self._key = key
            self._agent: Any = None

        def apply(self, agent: Any) -> Agents.Applied:
            """Keep the agent."""
            self._agent = agent
            return self

        def to_datastream(self, *_: Any) -> Stream:
            """Return its outputs."""
            return Stream(self._read)

        def _read(self) -> list[Any]:
            environment: Any = _LOCAL()
            for name, given in self._agents.made:
                getattr(environment, name)(*given)
            environment.get_config().override(self._agents.get_config().data)
            values = self._input.read()
            inputs = [{"key": self._key(each), "value": as_in_flink(each)} for each in values]
            outputs = environment.from_list(inputs).apply(self._agent).to_list()
            environment.execute()
            return [as_in_flink(value) for each in outputs for value in each.values()]


def as_in_flink(value: Any) -> Any:
    """A value as it goes through Flink: since 0.3, as JSON has it."""
    return value if dialect() == "0.2" else json_form(value)


def _environment(env: Any = None, t_env: Any = None, **given: Any) -> Any:
    return _LOCAL(**given) if env is None and t_env is None else Agents()


class _Made(Anything):
    """Stands for classes whose factories make what is above."""

    def get_execution_environment(self, *_: Any) -> Lists:
        """Make an environment of streams."""
        return Lists()

    create = get_execution_environment

    def __getattr__(self, name: str) -> Any:
        return self


class _Files(Anything):
    for_record_stream_format = FileLines


class _Tables(Anything):
    def for_connector(self, _: str) -> Descriptor:
        """Describe a table."""
        return Descriptor()


def _replace() -> None:
    tables = Lists()
    made = _Made()
    made.__dict__["create"] = lambda **_: tables
    for module, names in {
        pyflink.common: ("Configuration", "Duration", "WatermarkStrategy"),
        pyflink.datastream.connectors.file_system: ("StreamFormat",),
        pyflink.table: ("Schema",),
    }.items():
        for name in names:
            setattr(module, name, Anything())
    pyflink.datastream.StreamExecutionEnvironment = made  # type: ignore[misc, assignment]
    pyflink.table.StreamTableEnvironment = made  # type: ignore[misc, assignment]
    pyflink.datastream.connectors.file_system.FileSource = _Files()  # type: ignore[misc, assignment]
    pyflink.table.TableDescriptor = _Tables()  # type: ignore[misc, assignment]
    pyflink.table.expressions.col = lambda name: name  # type: ignore[assignment]
    AgentsExecutionEnvironment.get_execution_environment = staticmethod(_environment)  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    program = sys.argv.pop(1)
    _replace()
    runpy.run_path(program, run_name="__main__")

"""As `flink_agents.runtime.remote_execution_environment` of Flink Agents: agents in a Flink job."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pyflink.datastream import StreamExecutionEnvironment  # noqa: TC002 (a name of theirs)

from tamias.bridge.flink.environment import FlinkAgentBuilder, FlinkExecutionEnvironment
from tamias.bridge.flink.streams import KeyedInput, from_stream

from ..plan.configuration import AgentConfiguration, flatten_dict

__all__ = ["RemoteAgentBuilder", "RemoteExecutionEnvironment", "create_instance"]

_OLD = "flink-conf.yaml"


class RemoteAgentBuilder(FlinkAgentBuilder):
    """tamias's, which looks at its stream when the outputs are asked for."""

    def __init__(
        self, environment: FlinkExecutionEnvironment, read: Callable[[], KeyedInput], number: int
    ) -> None:
        super().__init__(environment, None, number)  # type: ignore[arg-type]  # it comes later
        self._read: Callable[[], KeyedInput] | None = read

    def _stream(self, *, text: bool) -> Any:
        if self._read is not None:
            self._keyed, self._read = self._read(), None
        return super()._stream(text=text)


class RemoteExecutionEnvironment(FlinkExecutionEnvironment):
    """tamias's environment for Flink, with a configuration of Flink Agents' class.

    Of the section ``agent`` in Flink's configuration file. The file of Flink 1 goes first.
    """

    def __init__(self, env: Any, t_env: Any = None, **options: Any) -> None:
        super().__init__(env, t_env)
        self._config = AgentConfiguration({**self._config.data, **flatten_dict(_old_settings())})
        for name, value in options.items():
            self._config.override({name.replace("_", "-"): value})

    def from_datastream(self, input: Any, key_selector: Any = None) -> RemoteAgentBuilder:
        """As in tamias; what is wrong with the stream is said with `to_datastream`."""
        builder = RemoteAgentBuilder(
            self, lambda: from_stream(input, key_selector), len(self._builders)
        )
        self._builders.append(builder)
        return builder

    def execute(self, job_name: str | None = None) -> None:
        """As in tamias; a job without agents is Flink's alone."""
        if self._builders:
            super().execute(job_name)
        else:
            self._env.execute(job_name=job_name)


def _old_settings() -> dict[str, Any]:
    """The section `agent` of the configuration file that Flink 1 has."""
    folder = os.environ.get("FLINK_CONF_DIR")
    path = Path(folder) / _OLD if folder else None
    if path is None or not path.is_file():
        return {}
    message = f"Settings are taken from the legacy config file {path}."
    logging.warning(message)  # noqa: LOG015 (as Flink Agents does it)
    document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    section = document.get("agent") if isinstance(document, dict) else None
    return section if isinstance(section, dict) else {}


def create_instance(
    env: StreamExecutionEnvironment, t_env: Any = None, **options: Any
) -> RemoteExecutionEnvironment:
    """Make an environment for agents on one of Flink's."""
    return RemoteExecutionEnvironment(env, t_env, **options)

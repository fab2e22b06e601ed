"""Options, configurations, names of resources and functions, in the modules of Flink Agents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process


def _json(run_program: RunProgram, dialect: str, program: str) -> Any:
    return json.loads(run_program(program, dialect))


@pytest.mark.parametrize(("dialect", "latest"), [("0.3", []), ("0.4", ["EVENT_LOG_TRACE_ENABLED"])])
def test_options_are_those_of_tamias_by_the_same_keys(
    run_program: RunProgram, dialect: str, latest: list[str]
) -> None:
    found = _json(
        run_program,
        dialect,
        """
        import json
        import tamias
        from flink_agents.api.configuration import ReadableConfiguration, WritableConfiguration
        from flink_agents.api.core_options import (
            AgentConfigOptions,
            AgentExecutionOptions,
            ConditionEvaluationFailureStrategy,
            LoggerType,
        )

        config = tamias.Configuration()
        config.set(AgentConfigOptions.EVENT_LOGGER_TYPE, LoggerType.FILE)
        config.set_str("max-retries", "5")
        failure = AgentConfigOptions.CONDITION_EVALUATION_FAILURE_STRATEGY
        config.set(failure, ConditionEvaluationFailureStrategy.FAIL)
        print(json.dumps([
            AgentExecutionOptions.MAX_RETRIES is tamias.AgentExecutionOptions.MAX_RETRIES,
            config.get(AgentExecutionOptions.MAX_RETRIES),
            config.get(AgentConfigOptions.EVENT_LOGGER_TYPE) is LoggerType.FILE,
            config.get(failure) is ConditionEvaluationFailureStrategy.FAIL,
            isinstance(config, ReadableConfiguration) and isinstance(config, WritableConfiguration),
            [name for name in vars(AgentConfigOptions) if "TRACE" in name],
        ]))
        """,
    )
    assert found == [True, 5, True, True, True, latest]


def test_an_option_of_java_becomes_one_of_python(run_program: RunProgram) -> None:
    found = _json(
        run_program,
        "0.2",
        """
        import json
        from types import SimpleNamespace
        from flink_agents.api.core_options import covert_j_option_to_python_option

        def of_java(name, default):
            return SimpleNamespace(
                getKey=lambda: "a.key",
                getDefaultValue=lambda: default,
                getTypeName=lambda: name,
            )

        option = covert_j_option_to_python_option(of_java("java.lang.Long", 7))
        try:
            covert_j_option_to_python_option(of_java("java.util.List", None))
        except TypeError as error:
            refused = str(error)
        kind = option.get_type().__name__
        print(json.dumps([option.get_key(), kind, option.get_default_value(), refused]))
        """,
    )
    assert found == ["a.key", "int", 7, "The option a.key is of type java.util.List."]


def test_names_of_resources_are_found_by_their_paths_in_flink_agents(
    run_program: RunProgram,
) -> None:
    found = _json(
        run_program,
        "0.3",
        """
        import json
        import tamias
        from flink_agents.api.resource import ResourceDescriptor, ResourceName, get_resource_class

        name = ResourceName.ChatModel.OPENAI_COMPLETIONS_SETUP
        module, _, clazz = name.rpartition(".")
        print(json.dumps([
            name.startswith("flink_agents.integrations."),
            issubclass(ResourceDescriptor(clazz=name).clazz, tamias.OpenAIChatModelSetup),
            get_resource_class(module, clazz) is ResourceDescriptor(clazz=name).clazz,
            ResourceName.ChatModel.Java.OLLAMA_SETUP.endswith(".ollama.OllamaChatModelSetup"),
        ]))
        """,
    )
    assert found == [True, True, True, True]


def test_the_version_of_flink_is_looked_up_once(run_program: RunProgram) -> None:
    found = _json(
        run_program,
        "0.3",
        """
        import json
        from unittest.mock import patch
        from flink_agents.api.version_compatibility import FlinkVersionManager

        with patch("importlib.metadata.version", return_value="2.2-SNAPSHOT") as look_up:
            manager = FlinkVersionManager()
            found = [manager.version, manager.major_version, manager.ge("2.2.0")]
            found += [manager.lt("2.10"), manager.ge("2.10"), look_up.call_count]
        with patch("importlib.metadata.version", side_effect=Exception):
            none = FlinkVersionManager()
            found += [none.version, none.major_version, none.ge("1.0"), none.lt("9.0")]
        print(json.dumps(found))
        """,
    )
    assert found == ["2.2-SNAPSHOT", "2.2", True, True, False, 1, None, None, False, False]

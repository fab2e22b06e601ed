"""From a keyed stream and an agent to the Java operator that runs the agent's pool.

The operator's classes are compiled when the first job needs them (`bridge/jvm/compiling.py`) and
travel with the job as a jar. The description of the pool's job travels with the operator, as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from ...agent.config.java_options import FlinkOptions, JavaOptions
from ...agent.config.options import PoolOptions
from ...agent.plan import AgentPlan
from ...environments.launch import Launch
from ...environments.packing import own_folders
from ...launcher.reload.generation_record import agent_of
from ...worker.process.boot import pack_agent
from ..jvm.compiling import compiled
from ..jvm.jars import flink_jar
from ..jvm.settings import resources_jar, user_classpath
from .classes import new, strings

if TYPE_CHECKING:
    from pathlib import Path

    from ...agent.agent import Agent
    from ...agent.config.configuration import Configuration
    from ...agent.resources.resource import ResourceType
    from .streams import KeyedInput

WORKERS: Final = 1
"""Workers of the pool under a task, by default: Flink has the parallelism."""
_DEPENDENCIES: Final = ("python.files", "python.archives", "python.requirements")


def attach(
    keyed: KeyedInput,
    agent: Agent | type[Agent] | str,
    resources: dict[ResourceType, dict[str, Any]],
    config: Configuration,
    *,
    text: bool,
    number: int = 0,
) -> Any:
    """The DataStream of the agent's outputs; `number` tells agents of one name apart.

    Raises:
        AgentDefinitionError: the agent does not compile.
        BridgeError, MissingExtraError: the operator does not.
    """
    from pyflink.common import Types  # noqa: PLC0415 (an extra)
    from pyflink.datastream import DataStream  # noqa: PLC0415 (an extra)
    from pyflink.util.java_utils import add_jars_to_context_class_loader  # noqa: PLC0415

    name, job = _job(agent, resources, config, text=text)
    jar = compiled("tamias/flink", [flink_jar("flink-dist"), flink_jar("flink-python")])
    add_jars_to_context_class_loader([jar.as_uri()])
    keyed_stream = keyed.java_stream()
    java_stream = _without_state_backend(keyed_stream)
    java_environment = java_stream.getExecutionEnvironment()
    for shipped in (jar, *_java_resources(config)):
        _ship(java_environment, shipped.as_uri())
    output_type = (Types.STRING() if text else Types.PICKLED_BYTE_ARRAY()).get_java_type_info()
    operator = new(
        "PoolOperator",
        json.dumps(job),
        strings(Launch(_python(java_environment)).command("tamias.bridge.task.main:main")),
        keyed_stream.getKeySelector(),
        keyed.key_type,
        keyed.value_type,
        keyed.key_in_front,
        text,
        2 * config.get(PoolOptions.WINDOW),
        _dependencies(java_environment),
    )
    transformed = java_stream.transform(f"agent {name}", output_type, operator)
    # A fixed uid, so that the state of a savepoint is found again in a changed job.
    return DataStream(transformed.uid(f"tamias-{name}-{number}"))


def _without_state_backend(java_stream: Any) -> Any:
    """A keyed stream as a partitioned one, so that its operator gets no keyed state backend.

    The pool has the state, and a state backend of Flink's could not read its checkpoints.
    """
    from pyflink.java_gateway import get_gateway  # noqa: PLC0415 (an extra)

    streams = get_gateway().jvm.org.apache.flink.streaming.api.datastream
    return streams.DataStream(
        java_stream.getExecutionEnvironment(), java_stream.getTransformation()
    )


def _job(
    agent: Agent | type[Agent] | str,
    resources: dict[ResourceType, dict[str, Any]],
    config: Configuration,
    *,
    text: bool,
) -> tuple[str, dict[str, Any]]:
    """The agent's name, and the job for the launcher (`bridge/task/job.py`)."""
    is_json = config.get(FlinkOptions.VALUES) == "json"
    settings = {PoolOptions.WORKERS.key: WORKERS, **config.data}
    job: dict[str, Any] = {
        "codec": "text" if text else "pickle-json" if is_json else "pickle-value",
        "input_codec": "pickle-json" if is_json else "pickle",
        "config": settings,
        "environment": config.section("environment"),
        "sys_path": own_folders(None),
    }
    if isinstance(agent, str):
        job |= {"name": agent_of(agent), "target": agent}
    else:
        plan = AgentPlan.compile(agent, config, resources)  # to fail here, not in a task
        plan.check_handles_input()
        job |= {"name": plan.name, "agent": pack_agent(agent, resources)}
    return job["name"].rpartition(":")[2], job


def _ship(java_environment: Any, jar: str) -> None:
    """Add a jar to the job."""
    from pyflink.java_gateway import get_gateway  # noqa: PLC0415 (an extra)

    jvm = get_gateway().jvm
    key = jvm.org.apache.flink.configuration.PipelineOptions.JARS.key()
    config = jvm.org.apache.flink.python.util.PythonConfigUtil.getEnvironmentConfig(
        java_environment
    )
    # As PyFlink's own `add_jars` writes it: a list in Python's notation, or texts with semicolons.
    listed = (config.getString(key, "") or "").strip("[] ").replace(",", ";").split(";")
    jars = [entry for entry in (part.strip(" '\"") for part in listed) if entry]
    if jar not in jars:
        config.setString(key, ";".join([*jars, jar]))


def _java_resources(config: Configuration) -> list[Path]:
    """The jars of Java resources: the job's own, and the class by which workers reach them."""
    classpath = config.get(JavaOptions.CLASSPATH)
    return [resources_jar(classpath), *user_classpath(classpath)] if classpath else []


def _python(java_environment: Any) -> str:
    """The interpreter of the launcher: what `python.executable` says, or this one."""
    found = java_environment.getConfiguration().toMap().get("python.executable")
    return str(found or sys.executable)


def _dependencies(java_environment: Any) -> Any:
    from pyflink.java_gateway import get_gateway  # noqa: PLC0415 (an extra)

    settings = java_environment.getConfiguration()
    wanted = any(name in settings.toMap() for name in _DEPENDENCIES)
    config = get_gateway().jvm.org.apache.flink.python.util.PythonConfigUtil
    return new("Dependencies", config.extractPythonConfiguration(settings), wanted)

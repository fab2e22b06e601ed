"""The JVM is one per pool, is replaced when it is lost, and ends when no process needs it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import psutil
import pytest

from support.java.resources import echo, said
from support.java.settings import (
    agents_jar,
    eventually,
    is_gone,
    java_settings,
    jvm_of,
    marked_jvms,
    needs_java,
    registry,
)
from support.processes import line, python, run
from tamias import (
    BaseChatModelConnection,
    BridgeError,
    ConfigError,
    JvmError,
    MissingExtraError,
    ResourceType,
)
from tamias.bridge.jvm.jars import flink_jar
from tamias.bridge.jvm.jvm_access import GivenJvm
from tamias.bridge.jvm.process import JvmProcess
from tamias.bridge.jvm.settings import JvmSettings, api_jar, jvm_command, user_classpath
from tamias.worker.durable.call_log import durable_section
from tamias.worker.process.worker import POOL_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = needs_java

CONNECTION = ResourceType.CHAT_MODEL_CONNECTION

USER = """
import sys
from support.java.settings import registry
from support.java.resources import echo, said
from tamias import ResourceType
declared = {ResourceType.CHAT_MODEL_CONNECTION: {"echo": echo()}}
with registry(declared) as resources:
    connection = resources.get("echo", ResourceType.CHAT_MODEL_CONNECTION)
    connection.chat(said("x"))
    print(connection._calls._session._address.life, flush=True)
    sys.stdin.read()
"""


@contextmanager
def connected(**settings: Any) -> Iterator[BaseChatModelConnection]:
    with registry({CONNECTION: {"echo": echo()}}, **settings) as resources:
        connection = cast("BaseChatModelConnection", resources.get("echo", CONNECTION))
        assert connection.chat(said("x")).content == "x"
        yield connection


@pytest.fixture(scope="module")
def shared() -> Iterator[BaseChatModelConnection]:
    """A JVM that is quick to be found hung."""
    with connected(java_hang_timeout=5.0) as connection:
        yield connection


@contextmanager
def soon(what: Any, *, after: float = 0.3) -> Iterator[None]:
    """Have something done while the block waits for something else."""
    timer = threading.Timer(after, what)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_processes_of_a_pool_share_one(tmp_path: Path) -> None:
    pool = {POOL_VARIABLE: f"{os.getpid()}:{tmp_path}", "PYTHONPATH": "tests"}
    with python(USER, **pool) as one, python(USER, **pool) as two, python(USER, **pool) as three:
        lives = {line(each) for each in (one, two, three)}
    assert len(lives) == 1
    (life,) = lives
    pid = int(life.partition("-")[0])

    def over() -> bool:
        try:
            return is_gone(psutil.Process(pid))
        except psutil.NoSuchProcess:
            return True

    assert eventually(over)


def test_a_process_that_is_killed_leaves_nothing() -> None:
    with python(USER, PYTHONPATH="tests") as user:
        jvm = psutil.Process(int(line(user).partition("-")[0]))
        host = jvm.parent()
        assert host is not None
        user.kill()
        user.wait()
        assert eventually(lambda: is_gone(jvm) and is_gone(host))


@pytest.mark.parametrize("stopped", [False, True])
def test_a_host_that_is_killed_takes_the_jvm_along_and_is_replaced(
    shared: BaseChatModelConnection, *, stopped: bool
) -> None:
    jvm = jvm_of(shared)
    host = jvm.parent()
    assert host is not None
    if stopped:
        jvm.suspend()
    host.kill()
    assert eventually(lambda: is_gone(jvm))
    for _ in range(2):
        try:
            assert shared.chat(said("x")).content == "x"
        except JvmError:
            continue
        break
    assert jvm_of(shared).pid != jvm.pid


def test_killed_in_the_middle_of_a_call(shared: BaseChatModelConnection) -> None:
    jvm = jvm_of(shared)
    with soon(jvm.kill), pytest.raises(JvmError, match=r"died in the middle.*killed by SIGKILL"):
        shared.chat(said("sleep 60000"))
    assert shared.chat(said("x")).content == "x"
    assert jvm_of(shared).pid != jvm.pid


def test_hung(shared: BaseChatModelConnection) -> None:
    jvm = jvm_of(shared)
    # The first to notice reports it: the host process, which pings it, or the waiting call.
    with soon(jvm.suspend), pytest.raises(JvmError, match=r"(hung|not answer).*, and was killed"):
        shared.chat(said("sleep 60000"))
    assert shared.chat(said("x")).content == "x"
    assert eventually(lambda: is_gone(jvm))


def test_out_of_memory(shared: BaseChatModelConnection) -> None:
    with pytest.raises(JvmError, match="ran out of memory"):
        shared.chat(said("grow"))
    assert shared.chat(said("x")).content == "x"


def test_a_durable_call_is_made_again(shared: BaseChatModelConnection) -> None:
    jvm = jvm_of(shared)
    with soon(jvm.kill), durable_section():
        assert shared.chat(said("sleep 1000")).content == "sleep 1000"
    assert jvm_of(shared).pid != jvm.pid


def test_it_goes_with_its_last_user() -> None:
    with connected(java_options="-Xmx128m") as connection:
        jvm = jvm_of(connection)
        host = jvm.parent()
        assert host is not None
    assert eventually(lambda: is_gone(jvm) and is_gone(host))


def test_one_that_does_not_start() -> None:
    with pytest.raises(JvmError, match=r"(?s)does not start.*Unrecognized option: -bad.*java-opt"):
        connected(java_options="-bad").__enter__()


def test_a_class_path_with_nothing_there() -> None:
    with pytest.raises(ConfigError, match=r"names '/nowhere/x.jar', and there is no such file"):
        user_classpath("/nowhere/x.jar")
    with pytest.raises(ConfigError, match=r"names '/nowhere/\*.jar'"):
        user_classpath("/nowhere/*.jar")


def test_a_class_path_without_flink_agents(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no jar on the java-classpath has it.*flink-agents-dist"
    ):
        jvm_command(JvmSettings())
    bad = tmp_path / "bad.jar"
    bad.write_text("this is no jar")
    with pytest.raises(BridgeError, match="is no jar"):
        api_jar((bad,))
    jars = user_classpath(f"{tmp_path}:{agents_jar().parent}/flink-agents-*.jar")
    assert jars == (tmp_path, agents_jar())
    assert api_jar(jars) == agents_jar()


@pytest.mark.parametrize("package", ["py4j", "pyflink"])
def test_a_missing_extra_is_one_clear_error(package: str) -> None:
    done = run(
        f"""
import sys
sys.modules[{package!r}] = None
from tamias.bridge.jvm.settings import JvmSettings, jvm_command
jvm_command(JvmSettings(classpath={str(agents_jar())!r}))
"""
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"tamias.{MissingExtraError.__name__}:")
    assert "pip install 'tamias[flink]'" in done.stderr


def test_every_class_of_ours_passes_the_verifier() -> None:
    # The compiler in Flink sometimes writes code that a JVM refuses when it first meets it.
    command = jvm_command(JvmSettings(classpath=str(agents_jar())))
    path = command.command[command.command.index("-cp") + 1]
    ours = next(each for each in path.split(":") if "tamias-resources-" in each)
    names = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", ours], check=True, capture_output=True, text=True
    )
    classes = [word for word in names.stdout.split() if word.endswith(".class")]
    assert len(classes) > 15
    jvm = JvmProcess(command)
    try:
        from py4j.java_gateway import GatewayParameters, JavaGateway

        gateway = JavaGateway(
            gateway_parameters=GatewayParameters(
                port=jvm.address.port, auth_token=jvm.address.token
            )
        )
        for name in classes:
            gateway.jvm.java.lang.Class.forName(name[:-6].replace("/", "."))
        gateway.close()
    finally:
        jvm.kill("the test is done")
        jvm.reap()


@pytest.fixture(params=["with Flink's py4j", "with py4j's own"])
def given(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[JvmProcess, Any]]:
    """A JVM that is not ours to start, and the class there that has opened a gateway."""
    path = java_settings()["java-classpath"]
    if "Flink" in request.param:
        path += f":{flink_jar('flink-python')}"
    jvm = JvmProcess(jvm_command(JvmSettings(classpath=path, options="-Xmx256m")))
    from py4j.java_gateway import GatewayParameters, JavaGateway

    gateway = JavaGateway(
        gateway_parameters=GatewayParameters(port=jvm.address.port, auth_token=jvm.address.token)
    )
    ours = gateway.jvm.tamias.resources.Gateway
    variables = dict(ours.open())
    assert dict(ours.open()) == variables  # one for all
    ours.close()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert variables.keys() == {"TAMIAS_JVM_PORT", "TAMIAS_JVM_TOKEN"}
    yield jvm, ours
    gateway.close()
    jvm.kill("the test is done")
    jvm.reap()


def test_a_jvm_that_is_given(
    given: tuple[JvmProcess, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    jvm, _ = given
    mark = uuid4().hex
    monkeypatch.setenv("TEST_MARK", mark)
    with connected(java_call_timeout=5.0) as connection:
        assert connection.chat(said("x")).content == "x"
        assert marked_jvms(mark) == []
        monkeypatch.setenv("TAMIAS_JVM_TOKEN", "wrong")
        for _ in range(30):  # each time, the call or the session's listener is refused first
            with pytest.raises(BridgeError, match="does not accept the token"), connected():
                pass
        jvm.kill("it is to be gone")
        time.sleep(0.2)
        with pytest.raises(JvmError, match="nothing answers at port"):
            connection.chat(said("x"))
    monkeypatch.delenv("TAMIAS_JVM_TOKEN")
    with pytest.raises(ConfigError, match="TAMIAS_JVM_TOKEN is not set"):
        GivenJvm.from_environment()


def test_a_gateway_goes_with_its_last_pool(given: tuple[JvmProcess, Any]) -> None:
    _, gateway = given
    with connected() as connection:
        gateway.open()
        gateway.close()
        assert connection.chat(said("x")).content == "x"
        gateway.close()
        with pytest.raises(JvmError, match="nothing answers at port"):
            connection.chat(said("x"))

"""What a job in a mini-cluster needs that a real cluster's operators would have set.

A program that is simply started (`python job.py`) runs its job in a cluster within its own process.
PyFlink then starts `python` for the job's Python functions, whatever that is on the PATH; and with
checkpoints on, Flink restarts a job that fails again and again, and prints nothing. So here the
functions get the interpreter that runs the program, and a job that fails is restarted a few times
only. What the user has set counts.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Final

from ...agent.errors import ConfigError

_EXECUTABLE: Final = "python.executable"
_CLIENT: Final = "python.client.executable"
_RESTARTS: Final = {
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "3",
    "restart-strategy.fixed-delay.delay": "1 s",
}
_IMPORT_SECONDS: Final = 60.0
_TRACEBACK: Final = "Traceback (most recent call last):"
_OTHERS: Final = ("pyflink/", "apache_beam/", "/concurrent/futures/")
"""Files of frames that are not the user's."""


def is_minicluster(env: Any) -> bool:
    """Whether a StreamExecutionEnvironment runs its jobs in this process."""
    java: str = env._j_stream_execution_environment.getClass().getSimpleName()  # noqa: SLF001
    return java == "LocalStreamEnvironment"


def set_defaults(env: Any) -> None:
    """Set what a job in a mini-cluster needs, unless it is set."""
    settings = _settings(env)
    for name in (_EXECUTABLE, _CLIENT):
        if not settings.containsKey(name):
            settings.setString(name, sys.executable)
    if not settings.containsKey("restart-strategy.type"):
        for name, value in _RESTARTS.items():
            settings.setString(name, value)


def check_interpreter(env: Any) -> None:
    """Make sure that the interpreter for the job's Python functions can run them.

    Raises:
        ConfigError: it cannot import PyFlink, or is none.
    """
    executable = str(_settings(env).getString(_EXECUTABLE, sys.executable))
    if executable == sys.executable:
        return
    try:
        done = subprocess.run(
            [executable, "-c", "import pyflink"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_IMPORT_SECONDS,
        )
        problem = done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    if problem:
        raise ConfigError(
            f"{_EXECUTABLE} is {executable}, which cannot run Python functions of Flink: {problem}",
            hint="Name an interpreter that has PyFlink, or leave the setting out: then it is "
            f"{sys.executable}.",
        )


def reason(error: Exception) -> str:
    """Why the job has failed, if a pool or a Python function is the reason; else an empty text."""
    cause = getattr(error, "java_exception", None)
    while cause is not None:
        message = str(cause.getMessage())
        if cause.getClass().getName() == "tamias.flink.PoolException":
            return f"The pool of a task has ended: {message}"
        if cause.getClass().getName() == "tamias.flink.KeyException":
            return message
        if _TRACEBACK in message and cause.getCause() is None:
            return python_failure(message)
        cause = cause.getCause()
    return ""


def python_failure(message: str) -> str:
    """Describe the failure of a Python function that PyFlink runs, such as a key function.

    Args:
        message: of Flink's exception, with a Python traceback in it.
    """
    lines = message[message.index(_TRACEBACK) :].rstrip().splitlines()
    kept: list[str] = []
    is_own = True
    for line in lines:
        if line.startswith("  File "):
            is_own = not any(part in line for part in _OTHERS)
        elif not line.startswith("   "):
            is_own = True
        if is_own:
            kept.append(line)
    last = next((line for line in reversed(kept) if line and not line.startswith(" ")), "")
    traceback = "\n".join(kept)
    return f"A Python function of the job has failed: {last}\n\n{traceback}"


def _settings(env: Any) -> Any:
    from pyflink.util.java_utils import get_j_env_configuration  # noqa: PLC0415 (an extra)

    return get_j_env_configuration(env._j_stream_execution_environment)  # noqa: SLF001

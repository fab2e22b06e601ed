"""The command that starts a JVM for Java resources, from the settings of the job."""

from __future__ import annotations

import mmap
import shlex
import sys
import zipfile
from dataclasses import asdict, dataclass
from functools import cache
from glob import glob
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...agent.config.java_options import JavaOptions
from ...agent.errors import BridgeError, ConfigError, MissingExtraError
from .compiling import compiled
from .jars import flink_jar
from .runtime import java

if TYPE_CHECKING:
    from ...agent.config.configuration import Configuration

OURS: Final = "tamias/resources"
"""The Java package with the entry point."""

_API_CLASS: Final = b"org/apache/flink/agents/api/resource/Resource.class"
_LOGGING: Final = ("log4j-api", "log4j-core", "log4j-slf4j-impl")


@dataclass(frozen=True, slots=True)
class JvmSettings:
    """The options under `JavaOptions`."""

    classpath: str = ""
    options: str = ""
    call_timeout: float = 600.0
    hang_timeout: float = 30.0

    @classmethod
    def of(cls, config: Configuration) -> JvmSettings:
        """The settings of a job."""
        return cls(
            config.get(JavaOptions.CLASSPATH),
            config.get(JavaOptions.OPTIONS),
            config.get(JavaOptions.CALL_TIMEOUT),
            config.get(JavaOptions.HANG_TIMEOUT),
        )


@dataclass(frozen=True, slots=True)
class JvmCommand:
    """How the JVM is started, and after how many seconds without an answer it is killed."""

    command: list[str]
    hang_timeout: float

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    def digest(self) -> str:
        """A short text, equal for equal commands."""
        return blake2b(repr(self).encode(), digest_size=8).hexdigest()


def jvm_command(settings: JvmSettings) -> JvmCommand:
    """The command for a JVM with these settings.

    Compiles our own Java sources, if their jar is not in the cache.

    Raises:
        MissingExtraError: there is no Java runtime, no py4j or no Flink.
        ConfigError: what ``java-classpath`` names is not there, or has no Flink Agents.
        BridgeError: our sources do not compile.
    """
    runtime = java()
    theirs = user_classpath(settings.classpath)
    dist = flink_jar("flink-dist")
    ours = resources_jar(settings.classpath)
    logging = [flink_jar(name) for name in _LOGGING]
    path = ":".join(map(str, [_py4j_jar(), ours, *theirs, dist, *logging]))
    options = ["-XX:+ExitOnOutOfMemoryError", *shlex.split(settings.options)]
    main = ["py4j.GatewayServer", "--die-on-broken-pipe", "--enable-auth", "0"]
    return JvmCommand([runtime, *options, "-cp", path, *main], settings.hang_timeout)


def resources_jar(classpath: str) -> Path:
    """Our Java classes, compiled against the Flink Agents on a class path. Raises as above."""
    return compiled(OURS, [flink_jar("flink-dist"), api_jar(user_classpath(classpath))])


def user_classpath(text: str) -> tuple[Path, ...]:
    """The absolute paths that ``java-classpath`` names.

    Raises:
        ConfigError: a file does not exist.
    """
    found: list[Path] = []
    for part in filter(None, text.split(":")):
        paths = sorted(glob(part)) if "*" in part else [part]  # noqa: PTH207 (may be absolute)
        existing = [Path(path).absolute() for path in paths if Path(path).exists()]
        if not existing:
            raise ConfigError(
                f"java-classpath names {part!r}, and there is no such file.",
                hint="Name jars or folders, with : in between; a relative name starts at the"
                " working directory of the pool.",
            )
        found += existing
    return tuple(found)


@cache
def api_jar(classpath: tuple[Path, ...]) -> Path:
    """The first of these that has the API of Flink Agents.

    Raises:
        ConfigError: there is none.
        BridgeError: a jar cannot be read.
    """
    for path in classpath:
        if (path / _API_CLASS.decode()).is_file() if path.is_dir() else _has_api(path):
            return path
    raise ConfigError(
        "Java resources need the Java side of Flink Agents, and no jar on the java-classpath has"
        " it.",
        hint="Set java-classpath to its jar, flink-agents-dist-flink-2.2-*.jar, and the jars with"
        " your classes.",
    )


def _has_api(jar: Path) -> bool:
    """Whether the class is in the list of names at the end of a jar.

    `zipfile` would need half a second for the jar of Flink Agents, in each worker.
    """
    try:
        if not zipfile.is_zipfile(jar):
            raise BridgeError(
                f"{jar}, on the java-classpath, is no jar.", hint="Build or download it again."
            )
        with (
            jar.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return content.rfind(_API_CLASS) >= 0
    except OSError as error:
        raise BridgeError(
            f"{jar}, on the java-classpath, cannot be read: {error.strerror}."
        ) from None


def _py4j_jar() -> Path:
    try:
        from py4j.java_gateway import find_jar_path  # noqa: PLC0415 (an extra)
    except ImportError:
        raise MissingExtraError(
            "py4j is not installed.", hint="Install it with: pip install 'tamias[flink]'"
        ) from None
    found = find_jar_path() or next(
        iter(sorted(Path(sys.prefix).glob("share/py4j/py4j*.jar"))), None
    )
    if not found:
        raise MissingExtraError(
            "The py4j installed here lacks its jar.",
            hint="Install it anew: pip install --force-reinstall 'tamias[flink]'",
        )
    return Path(found)

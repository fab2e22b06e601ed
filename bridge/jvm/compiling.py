"""Compiles our Java sources to a jar, on the machine that needs it, without a JDK.

The package contains the sources, so no class files have to be built and shipped. Flink brings a
compiler, Janino, for the code that its SQL planner generates. Janino knows Java without lambdas and
ignores most type parameters, which is enough for these sources. A JVM of its own compiles them in
about a second, once: the jar stays in the user's cache, named by a digest of the sources and the
class path.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...agent.errors import BridgeError
from .jars import flink_jar
from .runtime import java

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES: Final = Path(__file__).parents[1] / "java"
"""Where the sources are, by package: ``tamias/flink/*.java``."""


def compiled(package: str, classpath: Sequence[Path], folder: Path = SOURCES) -> Path:
    """The jar of one of our Java packages, compiled if it is not in the cache.

    Args:
        package: its folder below that of all sources, as ``tamias/flink``.
        classpath: what the sources need besides Java itself.
        folder: where the sources are, if not ours.

    Raises:
        MissingExtraError: there is no Java runtime, or no Flink to take the compiler from.
        BridgeError: the sources do not compile against these jars.
    """
    sources = sorted((folder / package).glob("*.java"))
    target = _cache() / f"{package.replace('/', '-')}-{_digest(sources, classpath)}.jar"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            classes = Path(scratch) / "classes"
            classes.mkdir()
            _compile(sources, classpath, classes)
            made = Path(scratch) / "made.jar"
            _pack(classes, made)
            made.replace(target)  # atomic, so that no other process reads an incomplete jar
    return target


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "tamias" / "java"


def _digest(sources: Sequence[Path], classpath: Sequence[Path]) -> str:
    digest = blake2b(digest_size=8)
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    for jar in classpath:
        digest.update(f"{jar.name} {jar.stat().st_size}\0".encode())
    return digest.hexdigest()


def _compile(sources: Sequence[Path], classpath: Sequence[Path], target: Path) -> None:
    from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway  # noqa: PLC0415
    from py4j.protocol import Py4JJavaError  # noqa: PLC0415

    port, token = launch_gateway(
        classpath=str(flink_jar("flink-table-runtime")),
        java_path=java(),
        javaopts=["-Xshare:auto", "-XX:TieredStopAtLevel=1"],
        die_on_exit=True,
        enable_auth=True,
    )
    gateway = JavaGateway(
        gateway_parameters=GatewayParameters(port=port, auth_token=token, auto_convert=True)
    )
    try:
        jvm = gateway.jvm

        def files(paths: Sequence[Path]) -> object:
            array = gateway.new_array(jvm.java.io.File, len(paths))
            for index, path in enumerate(paths):
                array[index] = jvm.java.io.File(str(path))
            return array

        compiler = jvm.org.codehaus.janino.Compiler()
        compiler.setClassPath(files(classpath))
        compiler.setDestinationDirectory(jvm.java.io.File(str(target)), False)
        compiler.setTargetVersion(11)
        compiler.setSourceVersion(11)
        compiler.compile(files(sources))
    except Py4JJavaError as error:
        raise BridgeError(
            f"The Java sources do not compile: {error.java_exception.toString()}",
            hint="Use a version of Flink that docs/flink.md names.",
        ) from None
    finally:
        with suppress(Exception):
            gateway.shutdown()


def _pack(classes: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as jar:
        for path in sorted(classes.rglob("*.class")):
            jar.write(path, path.relative_to(classes))

"""Our Java sources as a jar, compiled on the machine that needs them, without a JDK.

The sources are part of the package; class files would have to be built, kept in step and shipped
for no gain. Flink carries a compiler anyway, Janino, for the code that its SQL planner writes. It
knows Java without lambdas and mostly ignores type parameters, which is enough for what is here. A
JVM of its own compiles everything in about a second, once: the jar is kept in the user's cache
under the digest of what it was made of.
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


def compiled(package: str, classpath: Sequence[Path]) -> Path:
    """The jar of one of our Java packages, compiled now if it has not been before.

    Args:
        package: its folder below `SOURCES`, as ``tamias/flink``.
        classpath: what the sources need besides Java itself.

    Raises:
        MissingExtraError: there is no Java runtime, or no Flink to take the compiler from.
        BridgeError: the sources do not compile against these jars.
    """
    sources = sorted((SOURCES / package).glob("*.java"))
    target = _cache() / f"{package.replace('/', '-')}-{_digest(sources, classpath)}.jar"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            classes = Path(folder) / "classes"
            classes.mkdir()
            _compile(sources, classpath, classes)
            made = Path(folder) / "made.jar"
            _pack(classes, made)
            made.replace(target)  # at once, so that nobody meets half a jar
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

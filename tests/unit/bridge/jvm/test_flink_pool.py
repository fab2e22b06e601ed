"""Checkpoints are read out of a launcher: each end of that wakes whoever waits for its parts."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.java.settings import needs_java
from tamias.bridge.jvm.compiling import SOURCES, compiled
from tamias.bridge.jvm.jars import flink_jar
from tamias.bridge.jvm.runtime import java

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("pyflink", reason="PyFlink is not installed: it has no wheels for this Python")
pytestmark = needs_java

TRIAL = """
package tamias.flink;

import java.io.File;
import java.util.HashMap;

/** Asks a launcher that never answers for a checkpoint, and prints how the waiting has ended. */
public final class Trial {
    public static void main(String[] arguments) throws Exception {
        final Pool pool = new Pool(new String[] {"sleep", "600"}, new HashMap(), new File("."), 1,
            org.slf4j.LoggerFactory.getLogger("trial"), new Runnable() { public void run() { } });
        final String[] ending = new String[] {"still waits"};
        pool.barrier(7, true);
        Thread reader = new Thread(new Runnable() {
            public void run() {
                try {
                    pool.pull(7);
                } catch (Exception e) {
                    ending[0] = e.getMessage();
                }
            }
        });
        reader.start();
        while (reader.getState() != Thread.State.WAITING) {
            Thread.sleep(1);
        }
        if (arguments[0].equals("drop")) {
            pool.drop(7);
        } else {
            pool.kill();
        }
        reader.join(30000);
        System.out.println(ending[0]);
        pool.kill();
        System.exit(0);
    }
}
"""


@pytest.fixture(scope="module")
def jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trial with the classes that it is of."""
    folder = tmp_path_factory.mktemp("sources")
    package = folder / "tamias/flink"
    package.mkdir(parents=True)
    for name in ("Batch.java", "Bytes.java", "Entry.java", "Outputs.java", "Pool.java"):
        shutil.copy(SOURCES / "tamias/flink" / name, package)
    (package / "Trial.java").write_text(TRIAL)
    return compiled("tamias/flink", [flink_jar("flink-dist")], folder)


@pytest.mark.parametrize(
    ("what", "ending"),
    [
        ("drop", "the checkpoint was aborted while its state was read out"),
        ("kill", "the pool's launcher has died while its state was read out"),
    ],
)
def test_who_reads_a_checkpoint_does_not_wait_for_ever(jar: Path, what: str, ending: str) -> None:
    """Flink writes all checkpoints of a task by one thread, which also ends the aborted ones."""
    flink = flink_jar("flink-dist")
    done = subprocess.run(
        [java(), "-cp", f"{flink}:{jar}:{flink.parent}/*", "tamias.flink.Trial", what],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert ending in done.stdout

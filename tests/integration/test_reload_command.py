"""`tamias reload` as people give it, beside a job that runs under a load."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from support.cli import PATIENCE, TAMIAS
from support.launcher.reloading import code, reloadable, undisturbed, versions

if TYPE_CHECKING:
    from pathlib import Path

    from support.launcher.reloading import Reloadable

TELLING = code(
    "str([ctx.config.get_int('bonus', 0), os.environ.get('ONE'), os.environ.get('TWO')])"
)
"""Its version is its settings and its environment."""


def command(job: Reloadable, *arguments: str, exit_code: int = 0) -> str:
    """Give the command to its end; what it printed."""
    done = subprocess.run(
        [TAMIAS, "reload", job.state, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=job.agent.parent,
        timeout=PATIENCE,
    )
    assert done.returncode == exit_code, done.stderr
    assert "launcher/cli" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def test_settings_and_environment_can_be_said_and_stay_where_they_are_not(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("bonus: 100\nreload-probation: 100ms\n")
    with reloadable(tmp_path, TELLING) as job:
        job.until_events(20)
        answer = json.loads(command(job, "--config", "more.yaml", "--env", "ONE=1", "--json"))
        assert (answer["generation"], answer["outcome"]) == (1, "promoted")
        job.until_events(20)
        spec = job.manifest.job["spec"]
        assert spec["config"]["bonus"] == 100
        assert spec["environment"] == {"variables": {"ONE": "1"}}
        told = command(job, "--env", "TWO=2", "--set", "bonus=200", "--target=agent.py:Counter")
        assert "generation 2 has taken over: 4 shards moved, " in told
        job.until_events(20)
        outputs = job.finish()
    # The environment is that of before and what is new; and the target is made absolute.
    spec = job.manifest.job["spec"]
    assert spec["environment"] == {"variables": {"ONE": "1", "TWO": "2"}}
    assert spec["target"] == f"{job.agent}:Counter"
    told_by_agent = ["[0, None, None]", "[100, '1', None]", "[200, '1', '2']"]
    assert versions(outputs) == told_by_agent
    assert undisturbed(outputs)


def test_mistakes_in_the_command_are_told_and_change_nothing(tmp_path: Path) -> None:
    with reloadable(tmp_path) as job:
        job.until_events(10)
        before = job.pids()
        for arguments, told in (
            (["--smoke", "none.jsonl"], "There is no file none.jsonl with smoke inputs."),
            (["--target", "none.py:Counter"], "There is no file none.py."),
            (["--env", "NO_SUCH_VARIABLE"], "there is no such variable here"),
            (["--set", "shards=8"], "'shards' cannot change while the pool runs"),
        ):
            assert told in command(job, *arguments, exit_code=2)
        assert job.pids() == before
        assert job.manifest.job["lineage"]["last"] == 0
        assert "uses the new settings: max-attempts" in command(job, "--set", "max-attempts=2")
        job.finish()


def test_a_watch_reloads_what_is_edited_and_survives_bad_code(tmp_path: Path) -> None:
    with reloadable(tmp_path) as job:
        job.until(lambda _: bool(job.manifest.job["lineage"]["files"]))
        job.until_events(10)
        with subprocess.Popen(
            [TAMIAS, "reload", "state", "--watch", "--json"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as watch:

            def next_line() -> dict[str, Any]:
                assert watch.stdout is not None
                assert watch.stderr is not None
                line = watch.stdout.readline()
                assert line, watch.stderr.read()
                content: dict[str, Any] = json.loads(line)
                return content

            try:
                job.agent.write_text(code(2))
                assert next_line()["outcome"] == "promoted"
                job.until_events(10)
                job.agent.write_text(code(3).replace("class", "import helper\nclass"))
                failed = next_line()
                assert failed["outcome"] == "failed"
                assert "No module named 'helper'" in failed["reason"]
                # What was missing was on no record, and is seen nevertheless.
                (tmp_path / "helper.py").write_text("")
                assert next_line()["outcome"] == "promoted"
                job.until_events(10)
                outputs = job.finish()
                watch.wait(PATIENCE)  # it ends with the pool
                assert watch.returncode == 0
            finally:
                watch.kill()
    assert undisturbed(outputs)
    assert versions(outputs) == [1, 2, 3]


def test_a_watch_can_be_interrupted_and_the_pool_goes_on(tmp_path: Path) -> None:
    with reloadable(tmp_path) as job:
        job.until_events(10)
        with subprocess.Popen(
            [TAMIAS, "reload", "state", "--watch"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        ) as watch:
            assert watch.stderr is not None
            assert "Ctrl-C ends it" in watch.stderr.readline()
            watch.send_signal(signal.SIGINT)
            assert watch.wait(PATIENCE) == 0
        job.until_events(10)
        outputs = job.finish()
        # Without a pool there is nothing to reload or to watch.
        for arguments in ([], ["--watch"]):
            assert "No launcher is at work in " in command(job, *arguments, exit_code=1)
    assert undisturbed(outputs)

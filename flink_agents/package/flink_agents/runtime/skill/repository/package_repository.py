"""As `flink_agents.runtime.skill.repository.package_repository` of Flink Agents."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from ._materialize import copy_dir_to_temp
from .filesystem_repository import opened
from .materialized_skill_repository import MaterializedSkillRepository

__all__ = ["PackageSkillRepository"]


class PackageSkillRepository(MaterializedSkillRepository):
    """Skills in a folder, or in a zip file, of a package that is installed."""

    def __init__(self, package: str, resource: str) -> None:
        """Open it. Raises ValueError if it is neither."""
        self.package, self.resource = package, resource
        found = files(package).joinpath(resource)
        with as_file(found) as path:
            made = opened(
                path,
                f"{resource!r} not found in package {package!r}, or neither a folder nor a zip",
            )
            # A package in a zip file has its files here for this moment only.
            if path.is_dir() and not isinstance(found, Path):
                made = copy_dir_to_temp(path)
        super().__init__(made)

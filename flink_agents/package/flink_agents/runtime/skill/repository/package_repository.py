"""As `flink_agents.runtime.skill.repository.package_repository` of Flink Agents."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path

from tamias.models.skills.archives import copied

from ._materialize import Materialized, copy_dir_to_temp
from .filesystem_repository import opened
from .materialized_skill_repository import MaterializedSkillRepository

__all__ = ["PackageSkillRepository"]


class PackageSkillRepository(MaterializedSkillRepository):
    """Skills in a folder, or in a zip file, of a package that is installed."""

    def __init__(self, package: str, resource: str) -> None:
        """Open it. Raises ValueError if it is neither."""
        self.package, self.resource = package, resource
        found = files(package).joinpath(resource)
        otherwise = f"{resource!r} not found in package {package!r}, or neither a folder nor a zip"
        if isinstance(found, Path):
            super().__init__(opened(found, otherwise))
            return
        if not (found.is_dir() or found.is_file()):
            raise ValueError(otherwise)
        # The package itself is in a zip file.
        with Materialized(Path(tempfile.mkdtemp())) as folder:
            path = copied(found, folder.dir)
            super().__init__(copy_dir_to_temp(path) if path.is_dir() else opened(path, otherwise))

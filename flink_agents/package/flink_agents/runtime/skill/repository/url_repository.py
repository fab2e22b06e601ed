"""As `flink_agents.runtime.skill.repository.url_repository` of Flink Agents."""

from __future__ import annotations

from ._materialize import download_to_tempfile, extract_zip_safely
from .materialized_skill_repository import MaterializedSkillRepository

__all__ = ["URLSkillRepository"]


class URLSkillRepository(MaterializedSkillRepository):
    """Skills in a zip file on the web: https, or http of this machine."""

    def __init__(self, url: str) -> None:
        """Fetch and unpack it. Raises ValueError if the address is of another kind."""
        if not url.lower().startswith(("https://", "http://")):
            msg = f"Only https, or http of this machine, can be fetched: {url}"
            raise ValueError(msg)
        self.url = url
        path = download_to_tempfile(url)
        try:
            super().__init__(extract_zip_safely(path))
        finally:
            path.unlink(missing_ok=True)

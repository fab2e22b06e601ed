"""As `flink_agents.runtime.skill.skill_parser` of Flink Agents."""

from __future__ import annotations

from typing import Any, NamedTuple

from tamias.models.skills.folders import read_front

from .agent_skill import AgentSkill

__all__ = ["MarkdownSkillParser", "ParsedMarkdown", "SkillParser"]


class ParsedMarkdown(NamedTuple):
    """The YAML that a text begins with, and what follows."""

    metadata: dict[str, Any]
    content: str


class MarkdownSkillParser:
    """Reads a text that may begin with YAML."""

    @classmethod
    def parse(cls, markdown: str) -> ParsedMarkdown:
        """Read a text. Raises ValueError if its YAML is none."""
        front, content = read_front(markdown)
        return ParsedMarkdown(front if isinstance(front, dict) else {}, content)


class SkillParser:
    """Makes a skill of a text."""

    @classmethod
    def parse_skill(cls, skill_md_content: str) -> AgentSkill:
        """Make the skill. Raises ValueError if its name, description or text is missing."""
        front, content = MarkdownSkillParser.parse(skill_md_content)
        for name in ("name", "description"):
            if not isinstance(front.get(name), str) or not front[name].strip():
                msg = f"The skill has no {name}: SKILL.md begins with YAML that has it."
                raise ValueError(msg)
        if not content.strip():
            msg = "The skill has no instructions: write them behind the YAML of SKILL.md."
            raise ValueError(msg)
        return AgentSkill(
            name=front["name"].strip(),
            description=front["description"].strip(),
            license=front.get("license"),
            compatibility=front.get("compatibility"),
            metadata=front.get("metadata"),
            content=content,
        )

"""As `flink_agents.runtime.skill.skill_prompt_provider` of Flink Agents, in tamias's words."""

from tamias.agent.skills.skill_tools import SKILLS_INTRODUCTION

__all__ = ["SkillPromptProvider"]


class SkillPromptProvider:
    """Has the parts of the text that tells a model of its skills."""

    SKILL_DISCOVERY_PROMPT = SKILLS_INTRODUCTION
    AVAILABLE_SKILL_TEMPLATE = "- {name}: {description}\n"
    AVAILABLE_SKILLS_TAG_END = ""

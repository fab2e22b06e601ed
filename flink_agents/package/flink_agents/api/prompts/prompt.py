"""As `flink_agents.api.prompts.prompt` of Flink Agents."""

from tamias import LocalPrompt, Prompt

__all__ = ["LocalPrompt", "Prompt"]

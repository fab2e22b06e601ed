"""As `flink_agents.api.prompts.utils` of Flink Agents."""

from tamias import SafeFormatter, format_string

__all__ = ["SafeFormatter", "format_string"]

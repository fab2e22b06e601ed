"""As `flink_agents.api.trace.llm_execution_metadata_keys` of Flink Agents."""

__all__ = ["LLMExecutionMetadataKeys"]


class LLMExecutionMetadataKeys:
    """Names in what is said of a call of a model."""

    MODEL = "model"

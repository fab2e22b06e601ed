"""Vector stores as resources: in long-term memory, and of other projects. Knows nothing of models."""

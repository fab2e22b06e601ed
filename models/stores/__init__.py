"""Vector stores as resources: in long-term memory, or of others. Knows nothing of models."""

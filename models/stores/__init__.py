"""Vector stores of other projects as resources. Knows nothing of models."""

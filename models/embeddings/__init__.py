"""Embedding models that run in the process itself. Knows nothing of providers."""

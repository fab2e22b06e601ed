"""Anthropic's models, on its official client library. Knows nothing of other providers."""

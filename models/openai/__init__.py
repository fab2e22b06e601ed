"""OpenAI, and services that speak its protocols. Knows nothing of other providers."""

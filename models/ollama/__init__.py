"""Models on an Ollama server, by its official client library. Knows nothing of other providers."""

"""Chat requests, calls of tools and retrieval as events. Knows nothing of providers."""

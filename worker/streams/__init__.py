"""Send what calls write while they are under way. Knows nothing of clients."""

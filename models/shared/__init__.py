"""What the clients of all providers share. Knows nothing of a provider."""

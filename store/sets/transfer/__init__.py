"""Memory sets on their way from one store to another. Knows nothing of checkpoints' files."""

"""One module per command. Knows nothing of how a result is drawn."""

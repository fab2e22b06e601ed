"""Long-term memory in a shard: sets of items, their vectors and terms. Knows nothing of runs."""

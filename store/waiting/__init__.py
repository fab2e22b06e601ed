"""What waits in a shard: runs, inputs, timers, questions. Knows nothing of who runs it."""

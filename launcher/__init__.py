"""The parent of a pool: sources, dispatch, workers, sinks. Knows nothing of a terminal."""

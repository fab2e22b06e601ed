"""The metrics of a pool, made of those of its workers. Knows nothing of sockets and processes."""

"""What a worker counts and times of its own work. Knows nothing of runs and sockets."""

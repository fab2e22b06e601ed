"""Several agents under one command. Knows nothing of what a pool does with its inputs."""

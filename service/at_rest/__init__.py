"""What a service's files have of one key, while nothing runs. Knows nothing of clients."""

"""The connection to workers: send, receive, check what they send. Knows no jobs or sources."""

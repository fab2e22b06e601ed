"""Durable calls: identify, record, replay. Knows nothing of sockets or of the engine."""

"""Permits for calls with limits, over all workers of a pool. Knows nothing of payloads, models."""

"""Clients of model providers, behind the interfaces of `agent`. Knows nothing of workers."""

"""Metrics as pages for Prometheus, and the server of these. Knows nothing of workers."""

"""The loop that joins source, workers and sink. Knows nothing of jobs, commands or payloads."""

"""Start worker processes, watch them, report their end. Knows nothing of payloads."""

"""Dead letters that are retried while their job runs. Knows nothing of payloads and terminals."""

"""Where public names are defined, now and in the past. Knows nothing of what they stand for."""

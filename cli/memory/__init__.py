"""The commands `memory ...`: what is in memory sets. Knows nothing of how sets are stored."""

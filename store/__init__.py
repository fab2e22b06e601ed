"""What outlives a process (shards, state), and OS helpers. Knows no worker or launcher."""

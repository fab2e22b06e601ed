"""What outlives a process: shards, the state directory, encodings. Knows no worker or launcher."""

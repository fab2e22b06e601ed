"""The state directory: manifest, shards, checkpoint, reading them. Knows no worker or launcher."""

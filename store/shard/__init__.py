"""One LMDB environment: memory, journal, outbox, dead letters. Knows no other shard."""

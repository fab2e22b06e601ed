"""Records of the journal, the outbox and the dead letters. Knows nothing of transactions."""

"""The store: what outlives a process.

LMDB shards with keyed memory, the journal, the outbox and the dead letters; the state directory
they live in; and the codecs for keys and values. Nothing here knows of workers or launchers.
"""

"""Service mode: a pool that takes its inputs from clients, and its outputs back to them.

Pure: `frames` (what crosses the wire), `desk` (the server's side of all conversations), `caller`
(a client's side of one). `ledger` keeps on disk what was accepted and what came of it; `intake` and
`replies` are the source and the sink that join it to the pool; `frontdoor` is the thread with the
sockets; `serving` puts it all together. `client` and `aioclient` are what programs use.
"""

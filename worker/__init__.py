"""Inside one isolated process: receive keyed events, drive agent runs, commit, report.

Reading order: `wire` (what crosses the socket), `run` (one agent run as a pure state machine),
`space` and `memory` (what an action reads and writes), `durable` (calls that happen once),
`engine` (the loop that ties them together), `commit` (group commit), `zygote` and `process`
(how a worker comes to life and dies).
"""

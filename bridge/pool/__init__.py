"""A pool under a Flink task: what its launcher does instead of reading and writing files.

The task starts one launcher (`main`) and talks to it over the two ends of its standard input and
output (`pipe`, `frames`). Inputs come in (`source`), outbox records go out (`delivery`), and at a
checkpoint barrier the store is held still (`barriers`) and read out by key group (`keygroups`),
from which another launcher can be made to go on (`restore`).
"""

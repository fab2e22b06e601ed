"""Tasks and threads that execute user code: named in the beacon, shown as stacks. Knows no run."""

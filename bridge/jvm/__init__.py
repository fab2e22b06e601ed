"""Java on this machine: a runtime, the jars that come with Python packages, and our own sources."""

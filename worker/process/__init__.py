"""A worker's process from fork to exit, and the zygote that forks it. Knows no source or sink."""

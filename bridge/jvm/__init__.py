"""A JVM for a pool: found, given its jars, started, shared. Knows no Flink job."""

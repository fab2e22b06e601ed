"""Java's resources used from Python, and Python's from Java. Knows no Flink job."""

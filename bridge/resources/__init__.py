"""Resources of one language used from the other: Java's from Python, and Python's from Java."""

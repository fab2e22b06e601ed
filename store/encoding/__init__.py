"""Keys, values and field paths as bytes, and back. Knows nothing of files or databases."""

"""Skills: instructions that a model loads when it needs them, as tools. Knows nothing of files."""

"""Agents as YAML documents: their format, and agents made of them. Knows nothing of files."""

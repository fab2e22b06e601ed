"""Typed options, their values, and YAML files. Knows nothing of what an option is used for."""

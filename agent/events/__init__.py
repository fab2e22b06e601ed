"""The parts of events: identity, attributes, type names. Knows nothing of actions and workers."""

"""Parts of events: identity, attributes, types, conditions. Knows nothing of actions."""

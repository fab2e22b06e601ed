"""Long-term memory as an action sees it: sets of items. Knows nothing of stores and processes."""

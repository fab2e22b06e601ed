"""What an action does, as traces name it: tools, models. Knows nothing of who records it."""

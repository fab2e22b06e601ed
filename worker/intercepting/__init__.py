"""Actions and their calls as a test or a debugger changes them. Knows nothing of who asks."""

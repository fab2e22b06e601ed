"""What runs do with memory, as events. Knows nothing of how memory is kept."""

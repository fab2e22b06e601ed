"""Chat models at work on memory sets: summaries of full ones. Knows nothing of stores."""

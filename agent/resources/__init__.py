"""Models, prompts, tools, vector stores as agents declare them. Knows no provider or process."""

"""Chat models, embedding models and vector stores: interfaces. Knows nothing of providers."""

"""Changes of a store that no pool uses: erased, embedded anew. Knows nothing of commands."""

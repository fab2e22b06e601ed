"""The commands `new` and `schema`: how a project begins. Knows nothing of jobs."""

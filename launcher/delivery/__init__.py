"""Outputs to the sink, then a checkpoint; the contracts of source and sink. Knows no worker."""

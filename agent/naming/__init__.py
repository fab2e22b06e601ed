"""Names of public classes: where they are found, now and in the past."""

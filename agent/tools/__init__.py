"""Tools that models call: described, checked, called durably. Knows no provider, no process."""

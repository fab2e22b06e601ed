"""Builds environments: archives, installers, a layer, a probe. Knows no spec."""

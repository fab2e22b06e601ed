"""What an environment is made with: archives, installers, a layer, a probe. Knows no spec."""

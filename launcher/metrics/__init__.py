"""What a pool measures: sums of what workers do and use, as series. Knows nothing of sockets."""

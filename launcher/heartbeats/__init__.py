"""What workers report of themselves, or leave behind. Knows nothing of processes and sockets."""

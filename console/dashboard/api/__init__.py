"""What the dashboard's page asks for, a module per topic. Knows nothing of sockets and cookies."""

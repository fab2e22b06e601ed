"""What both sides of a service share: frames, endpoints, keys. Knows no server or client."""

"""The common part of both sides: frames, endpoints, keys. Knows no server or client."""

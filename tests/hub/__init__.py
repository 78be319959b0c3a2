"""A loopback Hub, and repositories with real headers to put into it."""

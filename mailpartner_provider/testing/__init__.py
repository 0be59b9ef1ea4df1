"""A stand-in for the Mail Partner API: a server, its faults, and a pytest fixture."""

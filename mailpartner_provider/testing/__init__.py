"""A stand-in for the Mail Partner API: a server, faults to inject, and a pytest fixture."""

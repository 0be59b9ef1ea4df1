"""A stand-in for the Mail Partner API, for this package's tests and for those of its users."""

"""npmguard: says which npm dependency versions are compromised, and how it knows."""

__version__ = "0.1.0"

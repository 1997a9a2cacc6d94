"""The accuracy harness."""

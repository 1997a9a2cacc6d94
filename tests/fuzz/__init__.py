"""Fuzzing: every reader of foreign bytes against inputs that nobody wrote."""

"""What was shipped."""

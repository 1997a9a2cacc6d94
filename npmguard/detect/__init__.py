"""What the facts mean."""

"""What the world knows already."""

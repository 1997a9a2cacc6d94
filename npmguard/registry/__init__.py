"""What the registry says."""

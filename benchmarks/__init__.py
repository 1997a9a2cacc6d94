"""Speed and accuracy harnesses."""

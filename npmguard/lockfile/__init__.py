"""What the project says it installs."""

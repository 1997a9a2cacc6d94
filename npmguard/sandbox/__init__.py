"""What the kernel forbids the processes that read packages."""

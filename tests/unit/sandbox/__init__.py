"""The sandbox around the processes that read packages."""

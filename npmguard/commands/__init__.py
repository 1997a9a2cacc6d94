"""The commands, one file each: arguments to Config, one call, a reporter, an exit code."""

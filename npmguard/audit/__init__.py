"""One question a module, answered as findings."""

"""A bounded interpreter of the pure part of JavaScript."""

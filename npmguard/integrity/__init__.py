"""Whether lock, registry, bytes agree."""

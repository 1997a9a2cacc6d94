"""The parts of ``make bench``, each with its own inputs and its own table."""

"""``python -m npmguard``: the command line."""

from npmguard.cli import main

main()

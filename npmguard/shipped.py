"""Where the data files that come with npmguard are: rules, phrases, what is known of past campaigns."""

from __future__ import annotations

from pathlib import Path


def shipped_folder() -> Path:
    """The folder ``rules``: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "rules"
    return inside if inside.is_dir() else package.parent / "rules"

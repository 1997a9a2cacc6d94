"""``npmguard doctor``: what a scan from here relies on."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from npmguard.commands.options import ConfigOption
from npmguard.commands.output import emit_lines
from npmguard.config import load_config
from npmguard.outcome import INCOMPLETE, OK


def doctor(*, config: ConfigOption = None) -> int:
    """Check what a scan from here relies on: registry, keys, feed, caches, npm, sandbox."""
    from npmguard.doctor import State, render, run_checks, worst
    from npmguard.registry.evidence import evidence_client
    from npmguard.registry.npmrc import load_npm_config

    settings = load_config(Path(), config)
    npm = load_npm_config(Path(), os.environ)
    with evidence_client(npm, settings.network, settings.limits) as client:
        checks = run_checks(settings, npm, client, now=datetime.now(UTC))
    emit_lines(render(checks))
    return INCOMPLETE if worst(checks) is State.FAIL else OK

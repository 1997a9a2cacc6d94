"""``npmguard feed``: the index of known malware."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import typer

from npmguard.commands.options import ConfigOption
from npmguard.commands.output import emit_lines
from npmguard.config import load_config
from npmguard.outcome import INCOMPLETE, OK

feed_app = typer.Typer(help="Keep an index of known malware, for scans to use offline.", no_args_is_help=True)


@feed_app.command("update")
def feed_update(*, config: ConfigOption = None) -> int:
    """Download what changed in the feed; a broken download leaves the index as it was."""
    from npmguard.intel.command import render_update
    from npmguard.intel.feed import FeedIndex
    from npmguard.intel.feed_update import update_feed
    from npmguard.registry.npmrc import load_npm_config
    from npmguard.registry.web import HttpWeb

    settings, now = load_config(Path(), config), datetime.now(UTC)
    folder = settings.cache.path
    with HttpWeb(load_npm_config(Path(), os.environ), settings.network, (settings.feed.url,)) as web:
        done = update_feed(folder, settings.feed.url, web, settings.limits, now)
    emit_lines(render_update(done, FeedIndex(folder).status(now)))
    return OK


@feed_app.command("status")
def feed_status(*, config: ConfigOption = None) -> int:
    """Say how many records the index holds and how old it is; exit 3 where a scan would not rely on it."""
    from npmguard.intel.command import render_status
    from npmguard.intel.feed import FeedIndex

    settings = load_config(Path(), config)
    found = FeedIndex(settings.cache.path).status(datetime.now(UTC))
    emit_lines(render_status(found, settings.feed.max_age))
    return OK if found.is_fresh(settings.feed.max_age) else INCOMPLETE

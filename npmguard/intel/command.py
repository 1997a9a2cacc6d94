"""What ``npmguard feed`` says, in plain text."""

from __future__ import annotations

from npmguard.intel.feed import FeedStatus
from npmguard.intel.feed_update import FeedUpdate

_HOUR = 3600.0


def render_status(status: FeedStatus, max_age: float) -> str:
    """The state of the index of known malware; *max_age* in seconds is how old it may be."""
    if status.problem is not None or status.age is None or status.checked is None:
        return f"No index: {status.problem}\n"
    fresh = "fresh" if status.is_fresh(max_age) else "too old: run npmguard feed update"
    lines = [
        f"index     {status.path}",
        f"feed      {status.url}",
        f"records   {status.records:,} of malware, {status.withdrawn:,} of them withdrawn",
        f"packages  {status.packages:,}",
        f"names     {status.indicators:,} domains, addresses and URLs of attacks",
        f"newest    {status.newest or 'none'}",
        f"checked   {status.checked:%Y-%m-%d %H:%M} UTC, {status.age / _HOUR:.1f} hours ago: {fresh}",
    ]
    if status.unreadable:
        lines.append(f"unread    {status.unreadable:,} records of the feed could not be read")
    return "\n".join(lines) + "\n"


def render_update(update: FeedUpdate, status: FeedStatus) -> str:
    """What an update did."""
    if not update.changed:
        return f"The feed has not changed: {status.records:,} records, the newest of {status.newest}.\n"
    told = f"{update.parsed:,} read, {update.kept:,} unchanged, {update.removed:,} gone"
    lines = [f"{update.records:,} records: {told}; the newest of {status.newest}."]
    lines += [f"not read: {line}" for line in update.unreadable]
    return "\n".join(lines) + "\n"

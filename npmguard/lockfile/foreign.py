"""Locks of other package managers, recognised by file name or by content."""

from __future__ import annotations

import re

SUPPORTED = (
    "npmguard reads package-lock.json and npm-shrinkwrap.json of npm 5 or newer (lockfileVersion 1, 2, 3)"
)

UNSUPPORTED_BY_FILE_NAME = {
    "shrinkwrap.yaml": "pnpm 2 or older",
    "deno.lock": "Deno",
    "vlt-lock.json": "vlt",
}

_HEAD = 4096  # what tells them apart stands at the top
_TOOL_BY_CONTENT = (
    (re.compile(rb"#!/usr/bin/env bun\b"), "Bun"),
    (re.compile(rb"(?:\s*#[^\n]*\n)*\s*# yarn lockfile v\d", re.IGNORECASE), "Yarn"),
    (re.compile(rb"(?:\s*#[^\n]*\n)*\s*__metadata:"), "Yarn 2 or newer"),
    (re.compile(rb"(?:\s*#[^\n]*\n|---\s)*\s*lockfileVersion:", re.IGNORECASE), "pnpm"),
    (
        re.compile(rb'\s*\{\s*"lockfileVersion":\s*\d+,\s*(?:"configVersion":\s*\d+,\s*)?"workspaces":\s*\{'),
        "Bun",
    ),
    (re.compile(rb'\s*\{\s*"lockfileVersion":\s*\d+,\s*"options":\s*\{'), "vlt"),
    (re.compile(rb'\s*\{\s*"version":\s*"\d+",\s*"(?:specifiers|packages|redirects|remote)":\s*\{'), "Deno"),
)


def tool_of_content(data: bytes) -> str | None:
    """The package manager whose lock *data* looks like, or None."""
    head = data[:_HEAD].removeprefix(b"\xef\xbb\xbf")
    return next((tool for pattern, tool in _TOOL_BY_CONTENT if pattern.match(head)), None)

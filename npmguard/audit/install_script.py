"""Whether a release runs something at installation that its forerunner did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npmguard.audit.note import note, short

if TYPE_CHECKING:
    from npmguard.audit.release_history import ReleaseHistory
    from npmguard.model import Finding, Manifest

SCRIPT_ADDED = "install-script-added"

_AT_INSTALLATION = (
    "preinstall",
    "install",
    "postinstall",
)  # of a dependency; prepare is for git and the project
_OF_NPM = "node-gyp rebuild"  # npm itself adds it at publication, for a binding.gyp


def signals(history: ReleaseHistory) -> tuple[Finding, ...]:
    """A note where npm would run a script that the release before had none of."""
    if history.baseline is None:
        return ()
    before = install_scripts(history.baseline.manifest)
    now = install_scripts(history.release.manifest)
    added = [name for name in now if name not in before]
    if before or not added:
        return ()
    return (
        note(
            SCRIPT_ADDED,
            f"npm runs its {' and '.join(added)} script at installation;"
            f" {history.baseline.manifest.version} has none.",
            *(f"{name}: {short(now[name])}" for name in added),
        ),
    )


def install_scripts(manifest: Manifest) -> dict[str, str]:
    """What npm runs when it installs the package, apart from the build that npm itself puts there."""
    found = {name: manifest.scripts.get(name, "").strip() for name in _AT_INSTALLATION}
    return {name: command for name, command in found.items() if command and command != _OF_NPM}

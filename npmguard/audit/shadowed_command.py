"""Whether installing a package puts its own program in the place of a well-known command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from npmguard.model import Confidence, Evidence, Finding, Severity
from npmguard.package.commands import shadowed

if TYPE_CHECKING:
    from npmguard.audit.context import AuditContext

RULE: Final = "well-known-command-shadowed"
REMEDIATION: Final = (
    "Look at what the command does. Until that is clear, do not install it: every script of the project, and of"
    " its dependencies, that starts the command starts this one."
)

_EXCERPT = 160


def audit(context: AuditContext) -> tuple[Finding, ...]:
    """A finding where the package brings a command like ``node`` or ``git`` that its name does not say.

    npm links it before the system's own in the PATH of every script. That alone is suspicious; where the
    baseline did not bring it, critical.
    """
    analysis, release = context.analysis, context.release
    manifest = analysis.manifest if analysis is not None else None
    if manifest is None:
        manifest = release.manifest if release is not None else None
    if manifest is None:
        return ()
    taken = shadowed(manifest.name, manifest.bin)
    if not taken:
        return ()
    before = context.baseline_release.manifest.bin if context.baseline_release is not None else None
    new = [command for command in taken if before is not None and command not in before]
    return (
        Finding(
            rule=RULE,
            severity=Severity.CRITICAL if new else Severity.HIGH,
            confidence=Confidence.MEDIUM,
            message=f"It puts its own program in the place of {', '.join(taken)}.",
            file="package.json",
            evidence=tuple(
                Evidence(
                    signal="shadowed-command",
                    message=f"bin.{command} takes the place of the system's own",
                    file="package.json",
                    excerpt=manifest.bin[command][:_EXCERPT],
                    added=None if before is None else command in new,
                )
                for command in taken
            ),
            added=None if before is None else bool(new),
            remediation=REMEDIATION,
        ),
    )

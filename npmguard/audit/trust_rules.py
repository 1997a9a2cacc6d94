"""What the findings about trust mean, for reports and the page of rules."""

from __future__ import annotations

from typing import Final

from npmguard.audit import (
    home,
    maintainer_domain,
    new_dependency,
    provenance_history,
    publisher,
    release_rhythm,
    trust,
    version_line,
    withdrawal,
)
from npmguard.audit.catalogue import AuditRule
from npmguard.model import Severity

_LOOK = "On its own this is a note: look at what else the report says of the version."

_NOTES = (
    AuditRule(
        provenance_history.PROVENANCE_LOST,
        "Provenance that earlier releases had is gone",
        "The last three releases of the line carry provenance and this one does not. Honest packages do so when"
        " a maintainer publishes by hand; so does an attacker who holds a token and not the build service.",
        _LOOK,
        Severity.MEDIUM,
    ),
    AuditRule(
        provenance_history.TRUSTED_PUBLISHING_LOST,
        "Published by an account, after releases by a trusted build service",
        "The last three releases of the line came from a build service that the package trusts; this one was"
        " published with an account's own credentials.",
        _LOOK,
        Severity.MEDIUM,
    ),
    AuditRule(
        maintainer_domain.EXPIRED,
        "Nobody holds the mail domain of an account that may publish",
        "Whoever registers the domain receives the account's mail, and with it the means to reset its"
        " password.",
        "Tell the package's maintainers; until then, look at each new release.",
        Severity.MEDIUM,
    ),
    AuditRule(
        maintainer_domain.NEW,
        "The mail domain of an account that may publish was registered lately",
        "A domain that was registered after its account was known here has lapsed and changed hands at some"
        " time; one that is days old is a new account's.",
        _LOOK,
        Severity.MEDIUM,
    ),
    AuditRule(
        publisher.NEW_PUBLISHER,
        "The publisher is new to the package",
        "The account published no earlier release and was not among the maintainers of the time before.",
        _LOOK,
        Severity.MEDIUM,
    ),
    AuditRule(
        publisher.ADDRESS_CHANGED,
        "The publisher's e-mail address is another",
        "The account had another e-mail address when it published earlier releases. People change theirs;"
        " whoever takes over an account does so first.",
        _LOOK,
        Severity.MEDIUM,
    ),
    AuditRule(
        publisher.MAINTAINER_ADDED,
        "A maintainer of a few days published it",
        "The publisher became a maintainer after the release before, which came within the last 30 days.",
        _LOOK,
        Severity.MEDIUM,
    ),
    AuditRule(
        publisher.MAINTAINERS_REPLACED,
        "All maintainers were replaced",
        "None of the accounts that might publish the release before may publish any more.",
        _LOOK,
        Severity.MEDIUM,
    ),
    AuditRule(
        release_rhythm.SILENCE,
        "Published after years of silence, with news",
        "The package had no release for three years, and this one has another publisher, a new dependency or a"
        " new install script.",
        _LOOK,
        Severity.LOW,
    ),
    AuditRule(
        release_rhythm.BURST,
        "Many versions within minutes",
        "Four or more versions came within half an hour, each the highest of its major version.",
        _LOOK,
        Severity.LOW,
    ),
    AuditRule(
        version_line.JUMP,
        "The version number jumps",
        "The major version is ten or more above that of the release before, and no year.",
        _LOOK,
        Severity.LOW,
    ),
    AuditRule(
        version_line.PULLED_BACK,
        "The latest tag was moved back",
        "The package calls an older version of the same line its latest, and no tag names this one.",
        _LOOK,
        Severity.LOW,
    ),
    AuditRule(
        withdrawal.CALLED_COMPROMISED,
        "The package's people say that it was compromised",
        "The version is deprecated with words that speak of malware or a compromise.",
        "Do not install it; take the version that the package's people name.",
        Severity.MEDIUM,
    ),
    AuditRule(
        withdrawal.NEIGHBOURS_GONE,
        "Versions of the same days were taken down",
        "Two or more versions that came within two days of this one are not in the registry any more.",
        _LOOK,
        Severity.LOW,
    ),
    AuditRule(
        home.REPOSITORY_CHANGED,
        "The repository is another",
        "The manifest names a repository of another owner and another name than the release before.",
        _LOOK,
        Severity.LOW,
    ),
    AuditRule(
        home.HOMEPAGE_CHANGED,
        "The homepage is another",
        "The manifest names a homepage on another host than the release before.",
        _LOOK,
        Severity.LOW,
    ),
    AuditRule(
        new_dependency.JUST_PUBLISHED,
        "A new dependency had hardly been published",
        "The release brings in a package that no earlier release had, and that was published for the first time"
        " within seven days before.",
        _LOOK,
        Severity.MEDIUM,
    ),
    AuditRule(
        new_dependency.RUNS_AT_INSTALLATION,
        "A fresh dependency runs a script at installation",
        "The package that is brought in has a preinstall, install or postinstall script.",
        "Read the script before anything is installed, or install with --ignore-scripts.",
        Severity.MEDIUM,
    ),
    AuditRule(
        new_dependency.OF_STRANGERS,
        "A fresh dependency is of strangers",
        "The registry names who published the package that is brought in, and none of them published an earlier"
        " release of this one or was its maintainer.",
        _LOOK,
        Severity.MEDIUM,
    ),
    AuditRule(
        new_dependency.WITHOUT_A_PAST,
        "A fresh dependency pretends to be older",
        "The first version of the package that is brought in is 2.0.0 or higher, or was a placeholder of two"
        " files that 1.0.0 or higher followed within days. Honest packages start so when they leave another"
        " name.",
        _LOOK,
        Severity.MEDIUM,
    ),
    AuditRule(
        new_dependency.NEVER_NAMED,
        "A fresh dependency is not used",
        "No code of the release names the package that is brought in, so that installing it is its only effect."
        " Names that code puts together at run time are not seen.",
        _LOOK,
        Severity.MEDIUM,
    ),
    AuditRule(
        new_dependency.CALLED_MALWARE,
        "A new dependency is called malware",
        "The release brings in a package of which a version is deprecated with words that speak of malware or a"
        " compromise.",
        "Do not install it; take the version before.",
        Severity.MEDIUM,
    ),
    AuditRule(
        new_dependency.TAKEN_DOWN,
        "A new dependency was taken down",
        "The release brings in a package that the registry has replaced by a placeholder since.",
        "Do not install it; take the version before.",
        Severity.MEDIUM,
    ),
)

#: Every rule that the audit of trust can raise.
TRUST_RULES: Final = (
    *_NOTES,
    *(
        AuditRule(it.rule, it.title, it.message, trust.remediation_of(it), it.severity)
        for it in trust.COMBINATIONS
    ),
)

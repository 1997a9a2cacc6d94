"""How often npmguard is right: false alarms over real packages, recall over the inert fixtures.

    make accuracy                         everything; a quarter of an hour on two cores
    make accuracy ARGS='--only fixtures'  one part: real, fixtures or libraries

*real*: the real lockfiles of fixtures/lockfiles, and the packages of names.txt as package-lock.json pins them,
each scanned as a user would, against its baseline. What is not clean is printed with its findings.
*fixtures*: every inert package of fixtures/packages, as written and as minifiers, bundlers and
javascript-obfuscator make it; recall by family, and every form that is not malicious.
*libraries*: ten honest libraries in the same forms, none of which may be malicious.
Ends with 1 where a figure asked for in docs/accuracy.md is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.accuracy.libraries import LIBRARIES, library_forms  # noqa: E402 - a checkout is not installed
from npmguard.model import Verdict  # noqa: E402
from tests.fixture_packages import ALL_TRANSFORMS, OBFUSCATIONS, cases, family_of, form_before, load_case  # noqa: E402
from tests.judging import judge  # noqa: E402

LOCKS = ("insomnia", "npm-cli", "pdf.js")
ALWAYS_MALICIOUS = frozenset(ALL_TRANSFORMS) - {"high"}
MOST_OF_HIGH = 0.9
SUSPICIOUS_SHARE = 0.005
_ALARM = (Verdict.MALICIOUS, Verdict.SUSPICIOUS, Verdict.UNVERIFIED)
_HIDDEN_ALARM = (Verdict.MALICIOUS,)  # code that is obfuscated and runs at installation is worth a look


def main() -> int:
    """Run the parts asked for; 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=("real", "fixtures", "libraries"))
    only = parser.parse_args().only
    parts = {"real": real_packages, "fixtures": fixtures, "libraries": libraries}
    missed = [line for name, part in parts.items() if only in (None, name) for line in part()]
    print("\n" + ("\n".join(f"MISSED: {line}" for line in missed) if missed else "Every figure is met."))
    return 1 if missed else 0


def real_packages() -> Iterator[str]:
    """Scan the real locks and the packages by trade, and yield what is over the figures."""
    counts: dict[str, int] = defaultdict(int)
    for path in (*(ROOT / "fixtures" / "lockfiles" / lock for lock in LOCKS), Path(__file__).parent):
        report = _scan(path)
        summary = report["summary"]
        print(f"\n{path.name}: " + ", ".join(f"{count} {verdict}" for verdict, count in summary.items()))
        for verdict in ("packages", "malicious", "suspicious", "unverified"):
            counts[verdict] += summary[verdict]
        for package in report["packages"]:
            if package["verdict"] != "clean":
                _print_package(package)
    if counts["malicious"]:
        yield f"{counts['malicious']} real packages are called malicious; asked: none"
    if counts["suspicious"] > SUSPICIOUS_SHARE * counts["packages"]:
        yield (
            f"{counts['suspicious']} of {counts['packages']} real packages are called suspicious;"
            f" asked: at most {SUSPICIOUS_SHARE:.1%}"
        )


def fixtures() -> Iterator[str]:
    """Judge every fixture in every form, print recall by family, and yield what is under the figures."""
    malicious: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    silent: list[str] = []
    weak: list[str] = []
    alarms: list[str] = []
    for case in cases():
        for form in ALL_TRANSFORMS:
            for side in case.sides:
                before = load_case(case, "before", form_before(form)) if side == "after" else None
                result = judge(load_case(case, side, form), before)
                verdict = result.verdict
                why = f" {result.unverified}" if verdict is Verdict.UNVERIFIED else ""
                told = f"{case.name}/{side} as {form}: {verdict} {result.rules}{why}"
                if side != "after":
                    alarm = _HIDDEN_ALARM if form in {"obfuscator", *OBFUSCATIONS} else _ALARM
                    if verdict in alarm:
                        alarms.append(told)
                    continue
                enough = verdict is Verdict.MALICIOUS or (
                    family_of(case) == "obfuscation" and verdict is Verdict.SUSPICIOUS  # all that it may be
                )
                malicious[family_of(case)][form].append(enough)
                if not enough:
                    weak.append(told)
                if verdict not in (Verdict.MALICIOUS, Verdict.SUSPICIOUS):
                    silent.append(told)
    _print_recall(malicious)
    for title, lines in (("not malicious", weak), ("false alarms", alarms)):
        print(f"\n{title}: {len(lines)}", *lines, sep="\n    ")
    yield from silent
    yield from alarms
    for form in ALL_TRANSFORMS:
        found = [each for family in malicious.values() for each in family[form]]
        share = sum(found) / len(found)
        asked = 1.0 if form in ALWAYS_MALICIOUS else MOST_OF_HIGH
        if share < asked:
            yield f"{share:.1%} of the fixtures are malicious as {form}; asked: {asked:.0%}"


def libraries() -> Iterator[str]:
    """Judge honest libraries in every form, print the verdicts, and yield those that are called malicious."""
    print(f"\nhonest libraries: {', '.join(LIBRARIES)}")
    counts: dict[str, dict[Verdict, int]] = defaultdict(lambda: defaultdict(int))
    told: list[str] = []
    for name, form, files in library_forms(ALL_TRANSFORMS):
        result = judge(files)
        counts[form][result.verdict] += 1
        if result.verdict is not Verdict.CLEAN:
            told.append(f"{name} as {form}: {result.verdict} {result.rules} {result.unverified or ''}")
        if result.verdict is Verdict.MALICIOUS:
            yield f"{name} as {form} is called malicious"
    print("\n" + " ".join(["form".ljust(22), *(verdict.value.rjust(14) for verdict in Verdict)]))
    for form, found in counts.items():
        print(" ".join([form.ljust(22), *(str(found[verdict]).rjust(14) for verdict in Verdict)]))
    print(f"\nnot clean: {len(told)}", *told, sep="\n    ")


def _scan(path: Path) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "report.json")
        command = [sys.executable, "-m", "npmguard", "scan", str(path), "--format", "json", "-o", str(output)]
        subprocess.run([*command, "--fail-on", "never"], cwd=ROOT, check=False)
        report: Mapping[str, Any] = json.loads(output.read_bytes())
        return report


def _print_package(package: Mapping[str, Any]) -> None:
    print(
        f"    {package['name']}@{package['version']}: {package['verdict']} {package['unverified_reason'] or ''}"
    )
    for finding in package["findings"]:
        place = f"{finding['file']}:{finding['line']}"
        print(f"        {finding['rule']} ({finding['severity']}, {finding['confidence']}) {place}")


def _print_recall(malicious: Mapping[str, Mapping[str, Iterable[bool]]]) -> None:
    print("\n" + " ".join(["family".ljust(22), *(form.rjust(14) for form in ALL_TRANSFORMS)]))
    for family in sorted(malicious):
        cells = [list(malicious[family][form]) for form in ALL_TRANSFORMS]
        row = [f"{sum(cell)}/{len(cell)}".rjust(14) for cell in cells]
        print(" ".join([family.ljust(22), *row]))


if __name__ == "__main__":
    sys.exit(main())

"""Workers are in the sandbox before their first package, and read packages there as they would outside it."""

from __future__ import annotations

import ast
import io
import os
import resource
import signal
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import run

import msgspec
import pytest

from npmguard.config import Limits
from npmguard.detect.indicators import IndicatorMatcher
from npmguard.detect.rule import load_ruleset
from npmguard.model import Indicator, IndicatorKind, TarballAnalysis
from npmguard.pool import AnalysisPool
from npmguard.preload import LATE
from npmguard.sandbox.enter import expected
from npmguard.worker import analyse_tarball
from tests.fixture_packages import cases, load_case
from tests.unit.test_pool import workers

PACKAGE = Path(__file__).parents[2] / "npmguard"
SMALL = load_case("benign-levenshtein", "package")
DEEP = b"x = " + b"[" * 20_000 + b"]" * 20_000 + b";\n"  # for which a thread with a large stack is started
LARGE = b"const value = require('fs').readFileSync(`${process.env.HOME}/.npmrc`);\n" * 4000


def tarball(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for path, content in {"package.json": b'{"name": "a", "version": "1.0.0"}', **files}.items():
            entry = tarfile.TarInfo(f"package/{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture(scope="module")
def pool() -> Iterator[AnalysisPool]:
    with AnalysisPool(1, (), Limits(), require_sandbox=True) as running:
        yield running


def test_a_worker_says_what_it_is_in_and_the_kernel_says_the_same(pool: AnalysisPool) -> None:
    assert isinstance(pool.analyse(SMALL), TarballAnalysis)
    assert pool.sandbox == expected()
    assert pool.sandbox is not None
    assert pool.sandbox.missing == ()
    (worker,) = workers()
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{worker}/status").read_text().splitlines()
        if ":\t" in line
    )
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    for kind, most in (
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, Limits().analysis_bytes),
    ):
        assert resource.prlimit(worker, kind) == (most, most)
    assert resource.prlimit(worker, resource.RLIMIT_CPU)[0] < 10 * Limits().analysis_seconds
    opened = {str(path.readlink()) for path in Path(f"/proc/{worker}/fd").iterdir()}
    assert all(it.startswith(("pipe:", "/tmp", "/proc/")) for it in opened)


def test_no_worker_means_nothing_to_say() -> None:
    with AnalysisPool(1, (), Limits()) as pool:
        assert pool.sandbox is None


def test_analyses_are_the_same_inside_and_outside(pool: AnalysisPool) -> None:
    ruleset, limits = load_ruleset(()), Limits()
    for case in sorted(cases())[::25]:
        packages = [load_case(case.name, side) for side in case.sides]
        old = packages[0] if len(packages) > 1 else None
        answer = pool.analyse(packages[-1], old)
        assert answer == analyse_tarball(packages[-1], ruleset, limits, old), case.name


@pytest.mark.parametrize("prefilter", [True, False])
def test_what_needs_threads_or_parts_is_read_too(*, prefilter: bool) -> None:
    limits = msgspec.structs.replace(Limits(), source_bytes=100_000)
    packed = tarball({"deep.js": DEEP, "large.js": LARGE, "types.ts": LARGE[:7000], "view.tsx": b"<a></a>"})
    with AnalysisPool(1, (), limits, prefilter=prefilter, require_sandbox=True) as pool:
        answer = pool.analyse(packed)
    assert answer == analyse_tarball(packed, load_ruleset(()), limits, prefilter=prefilter)


def test_indicators_are_searched_for_inside() -> None:
    indicators = (Indicator(IndicatorKind.DOMAIN, "bad.example", "a test"),)
    packed = tarball({"a.js": b"fetch('https://bad.example/x')"})
    with AnalysisPool(1, (), Limits(), indicators=indicators, require_sandbox=True) as pool:
        answer = pool.analyse(packed)
    assert isinstance(answer, TarballAnalysis)
    assert answer == analyse_tarball(
        packed, load_ruleset(()), Limits(), indicators=IndicatorMatcher(indicators)
    )
    assert any("indicator" in finding.rule for finding in answer.findings)


def test_nothing_is_imported_late_that_was_not_loaded() -> None:
    """A lazy import inside the sandbox would find no file."""
    late = set()
    for room in ("javascript", "detect", "package"):
        for path in (PACKAGE / room).rglob("*.py"):
            if path.name in {"rule_test.py", "rule_docs.py"}:  # commands of their own
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for function in ast.walk(tree):
                if isinstance(function, ast.FunctionDef):
                    late |= set(_imports(function))
    program = f"import npmguard.worker, sys\nfor name in {LATE!r}: __import__(name)\nprint(*sys.modules)"
    loaded = run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout.split()
    assert late
    assert late - set(loaded) == set()


def _imports(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module != "Crypto.Hash":
            yield node.module or ""


# --- a worker that goes wrong costs its own package ---


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGABRT, signal.SIGTERM])
def test_a_worker_that_dies_costs_its_own_package(pool: AnalysisPool, kind: signal.Signals) -> None:
    pool.analyse(SMALL)
    os.kill(workers()[0], kind)
    answer = pool.analyse(SMALL)
    assert isinstance(answer, str)
    assert f"signal {kind.value}" in answer
    assert isinstance(pool.analyse(SMALL), TarballAnalysis)


def test_a_package_that_needs_too_much_memory_costs_itself() -> None:
    limits = msgspec.structs.replace(Limits(), analysis_bytes=100 * 1024**2)
    greedy = tarball({"a.js": b"eval(a+b);" * 200_000})
    with AnalysisPool(1, (), limits, prefilter=False, require_sandbox=True) as pool:
        answer = pool.analyse(greedy)
        assert isinstance(answer, str)
        assert "analysis-bytes" in answer or "signal" in answer
        after = pool.analyse(SMALL)
    assert isinstance(after, TarballAnalysis)
    assert after.unverified is None

"""`npmguard mail` as a user runs it: files, pipes, mboxes, reports, indicators, watch lists, exit codes."""

from __future__ import annotations

import json
import shutil
import smtplib
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from typer.testing import CliRunner

from npmguard.errors import UsageError
from npmguard.lockfile.reader import read_lockfile
from npmguard.mail import command

FOLDER = Path(__file__).parents[2] / "fixtures" / "mail"
SEPTEMBER = FOLDER / "phishing" / "npm-2025-09-08.eml"
GENUINE = FOLDER / "genuine" / "npm-urgent-security-notice.eml"
UNRELATED = FOLDER / "unrelated" / "lunch.eml"
MAIL = (sys.executable, "-m", "npmguard.mail")


def mail(
    *arguments: object, stdin: bytes = b"", folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*MAIL, *map(str, arguments)], input=stdin, capture_output=True, check=False, timeout=60, cwd=folder
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((SEPTEMBER,), 1),
        ((GENUINE,), 0),
        ((UNRELATED,), 0),
        ((UNRELATED, SEPTEMBER), 1),
        ((SEPTEMBER, "--fail-on", "never"), 0),
        ((FOLDER / "held-out-others" / "cert-advisory-link.eml",), 0),
        ((FOLDER / "held-out-others" / "cert-advisory-link.eml", "--fail-on", "suspicious"), 1),
        (("/nonexistent/message.eml",), 2),
        ((), 2),
        ((UNRELATED, "--no-such-option"), 2),
        ((UNRELATED, "--indicators", "/nonexistent/list"), 2),
        ((UNRELATED, "--dns-server", "127.0.0.1"), 2),
    ],
)
def test_exit_codes(arguments: tuple[object, ...], code: int) -> None:
    done = mail(*arguments)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    if code == 2:
        assert done.stdout == b""
        assert done.stderr


def test_a_message_that_is_read_in_part_only_is_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "sealed.eml"
    path.write_bytes(b"From: a@b.example\nContent-Type: application/pkcs7-mime\n\nMIAG")
    done = mail(path)
    assert done.returncode == 3
    assert b"S/MIME" in done.stdout


def test_the_report_says_why_in_plain_words() -> None:
    text = mail("-", stdin=SEPTEMBER.read_bytes()).stdout.decode()
    assert text.startswith("PHISHING  -\n")
    assert "npmjs.help is npmjs under another top-level domain than npmjs.com" in text
    assert "SPF not checked, DKIM not checked, DMARC not checked" in text
    assert text.rstrip().endswith("1 message: 1 phishing")


def test_a_message_cannot_command_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "m.eml"
    path.write_bytes(
        b"From: npm \x1b]0;x\x07 <a@npmjs.help>\nSubject: \x1b[2J =?utf-8?B?G1sybQ==?= ::error::x\n\nhttps://npmjs.help/\x1b[31m"
    )
    out = mail(path).stdout
    assert b"\x1b" not in out
    assert b"\x07" not in out


def test_json_is_a_versioned_projection_and_the_same_each_time() -> None:
    first, second = (mail(SEPTEMBER, GENUINE, "--format", "json").stdout for _ in range(2))
    assert first == second
    document = json.loads(first)
    assert document["schema"] == "npmguard.mail/1"
    assert document["summary"] == {
        "messages": 2,
        "phishing": 1,
        "suspicious": 0,
        "genuine": 1,
        "unrelated": 0,
        "incomplete": 0,
    }
    assert document["messages"][0]["authentication"]["dkim"]["outcome"] == "not-checked"
    assert set(document["messages"][0]) == {
        "source",
        "verdict",
        "reason",
        "from",
        "subject",
        "claims",
        "evidence",
        "lookalikes",
        "authentication",
        "incomplete",
        "watch",
        "attached",
    }


def test_an_mbox_and_a_maildir_are_judged_message_by_message(tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.write_bytes(
        b"".join(
            b"From a@b Mon Sep  8 09:00:00 2025\n" + path.read_bytes() + b"\n"
            for path in (UNRELATED, SEPTEMBER)
        )
    )
    (tmp_path / "md" / "new").mkdir(parents=True)
    shutil.copy(GENUINE, tmp_path / "md" / "new" / "1")
    output = tmp_path / "report.json"
    done = mail("--mbox", box, "--maildir", tmp_path / "md", "-f", "json", "-o", output)
    assert done.returncode == 1
    assert done.stdout == b""
    found = [
        (Path(message["source"]).name, message["verdict"])
        for message in json.loads(output.read_bytes())["messages"]
    ]
    assert found == [("box#1", "unrelated"), ("box#2", "phishing"), ("1", "genuine")]


def test_a_filter_adds_one_header_and_always_succeeds() -> None:
    raw = SEPTEMBER.read_bytes()
    done = mail("--header", "-", stdin=raw)
    assert done.returncode == 0
    first, rest = done.stdout.split(b"\n", 1)
    assert first.startswith(b"X-NpmGuard-Verdict: phishing; reason=")
    assert rest == raw
    assert mail("--header", "-", "--fail-on", "malicious", stdin=raw).returncode == 1
    assert mail("--header", SEPTEMBER, GENUINE).returncode == 2


def test_a_closed_pipe_is_no_error_of_a_report_and_one_of_a_filter() -> None:
    for arguments, code in ((("-v", SEPTEMBER), 1), (("--header", SEPTEMBER), 2)):
        with subprocess.Popen(
            [*MAIL, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            told = process.stderr.read()
        assert process.returncode == code
        assert b"Traceback" not in told


def test_found_lookalikes_are_indicators_that_the_next_run_reads(tmp_path: Path) -> None:
    for form in ("plain", "csv", "stix", "misp"):
        path = tmp_path / form
        mail(SEPTEMBER, "--write-indicators", path, "--indicator-format", form)
        assert "npmjs.help" in path.read_text()
        other = tmp_path / "other.eml"
        other.write_bytes(
            b"From: x@y.example\nSubject: npm\n\nYour npm account: see https://login.npmjs.help/\n"
        )
        document = json.loads(mail(other, "--indicators", path, "-f", "json").stdout)
        assert "known-campaign" in {evidence["code"] for evidence in document["messages"][0]["evidence"]}


def lock_of(folder: Path) -> Path:
    packages = {
        f"node_modules/{name}": {
            "version": "1.0.0",
            "resolved": f"https://registry.npmjs.org/{name}/-/{name}-1.0.0.tgz",
            "integrity": "sha512-" + "A" * 86 + "==",
        }
        for name in ("left-example", "right-example")
    }
    path = folder / "package-lock.json"
    path.write_text(
        json.dumps(
            {
                "name": "p",
                "version": "1.0.0",
                "lockfileVersion": 3,
                "requires": True,
                "packages": {"": {"name": "p", "version": "1.0.0"}, **packages},
            }
        )
    )
    return path


def run_with_lock(*arguments: object) -> tuple[int, str]:
    app = typer.Typer()
    command.register(app, read_lock=read_lockfile)
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    return done.exit_code, done.stdout


def test_from_mail_to_packages_to_a_watch_list(tmp_path: Path) -> None:
    lock = lock_of(tmp_path)
    packuments = tmp_path / "packuments"
    packuments.mkdir()
    (packuments / "l.json").write_text(
        json.dumps({"name": "left-example", "maintainers": [{"name": "m", "email": "maintainer@dev.example"}]})
    )
    (packuments / "r.json").write_text(
        json.dumps({"name": "right-example", "maintainers": [{"name": "z", "email": "z@dev.example"}]})
    )
    watch = tmp_path / "watch.txt"
    code, out = run_with_lock(
        SEPTEMBER, GENUINE, "--lock", lock, "--packuments", packuments, "--watch-list", watch
    )
    assert code == 1
    assert "left-example 1.0.0: m can publish it (address maintainer@dev.example)" in out
    assert [line.split()[0] for line in watch.read_text().splitlines()] == ["left-example"]
    (packuments / "r.json").unlink()
    code, out = run_with_lock(SEPTEMBER, "--lock", lock, "--packuments", packuments, "--fail-on", "never")
    assert code == 3
    assert "the maintainers of 1 of 2 locked packages are not known" in out


def test_a_lock_without_a_way_to_know_maintainers_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--packuments"):
        run_with_lock(SEPTEMBER, "--lock", lock_of(tmp_path))


def test_missing_libraries_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_NEEDED", ("json", "no_such_library"))
    with pytest.raises(UsageError, match=r"no_such_library.*pip install 'npmguard\[mail\]'"):
        command.require_libraries()


class Filter:
    """What a mail server does: it pipes what it received through the filter and delivers the output."""

    def __init__(self) -> None:
        self.delivered: list[bytes] = []

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        peer = session.peer[0] if session.peer else ""
        done = mail(
            "--header", "-", "--client-ip", peer, "--mail-from", envelope.mail_from, stdin=envelope.content
        )
        assert done.returncode == 0, done.stderr
        self.delivered.append(done.stdout)
        return "250 OK"


def test_a_mail_server_pipes_into_the_filter() -> None:
    with socket.socket() as probe:  # aiosmtpd wants to know its port beforehand
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    handler = Filter()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        with smtplib.SMTP("127.0.0.1", port) as client:
            for path in (SEPTEMBER, GENUINE, UNRELATED):
                client.sendmail(
                    "bounce@npmjs.help", ["maintainer@dev.example"], path.read_bytes().replace(b"\n", b"\r\n")
                )
    finally:
        controller.stop()
    verdicts = [message.split(b";")[0] for message in handler.delivered]
    assert verdicts == [
        b"X-NpmGuard-Verdict: phishing",
        b"X-NpmGuard-Verdict: genuine",
        b"X-NpmGuard-Verdict: unrelated",
    ]
    for message, path in zip(handler.delivered, (SEPTEMBER, GENUINE, UNRELATED), strict=True):
        sent = path.read_bytes().replace(b"\n", b"\r\n")
        assert message.split(b"\r\n", 1)[1].rstrip() == sent.rstrip()

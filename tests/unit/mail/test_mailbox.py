from __future__ import annotations

from pathlib import Path

import pytest

from npmguard.errors import MailboxError
from npmguard.mail.mailbox import read_file, read_maildir, read_mbox


def test_an_mbox_gives_its_messages_with_quoting_undone(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(
        b"From a@b Mon Sep 8\nSubject: 1\n\n>From here\nnot a\nFrom the middle\n\nFrom c@d Mon Sep 8\nSubject: 2\n\nx\n"  # noqa: E501 - as it stands in a message
    )
    found = list(read_mbox(path, 10_000))
    assert [name for name, _ in found] == [f"{path}#1", f"{path}#2"]
    assert found[0][1] == b"Subject: 1\n\nFrom here\nnot a\nFrom the middle\n\n"
    assert found[1][1].startswith(b"Subject: 2")


def test_a_long_message_of_an_mbox_is_not_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(b"From a@b\nSubject: 1\n\n" + b"x\n" * 100_000 + b"\nFrom c@d\nSubject: 2\n\nx\n")
    sizes = [len(raw) for _, raw in read_mbox(path, 1000)]
    assert sizes[0] < 1100
    assert len(sizes) == 2


def test_a_maildir_is_read_in_order(tmp_path: Path) -> None:
    for folder in ("cur", "new", "tmp"):
        (tmp_path / folder).mkdir()
    (tmp_path / "cur" / "2").write_bytes(b"b")
    (tmp_path / "cur" / "1").write_bytes(b"a")
    (tmp_path / "new" / "0").write_bytes(b"c")
    (tmp_path / "tmp" / "x").write_bytes(b"unfinished")
    assert [raw for _, raw in read_maildir(tmp_path, 100)] == [b"a", b"b", b"c"]


def test_what_is_not_there_or_no_mailbox_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(MailboxError, match="give a message"):
        read_file(tmp_path / "none", 10)
    with pytest.raises(MailboxError, match="no maildir"):
        list(read_maildir(tmp_path, 10))
    (tmp_path / "x").write_text("Subject: x\n")
    with pytest.raises(MailboxError, match="no mbox"):
        list(read_mbox(tmp_path / "x", 10))
    with pytest.raises(MailboxError, match="cannot be read"):
        list(read_mbox(tmp_path / "none", 10))

"""New hosts in a version's files are found, and old ones are not called new."""

from __future__ import annotations

from npmguard.model import PackageArchive, PackageFile
from npmguard.package.hosts import added_hosts


def archive(**files: bytes) -> PackageArchive:
    kept = {
        name.replace("_", "."): PackageFile(name.replace("_", "."), len(content), "", content)
        for name, content in files.items()
    }
    return PackageArchive(kept, (), len(kept), 0, None)


def test_only_hosts_that_no_old_file_names_are_new() -> None:
    old = archive(a_js=b"get('https://old.example/x')")
    new = archive(a_js=b"get('https://new.example/x')", b_js=b"get('http://OLD.example:8080')")
    assert added_hosts(old, new) == ("new.example",)


def test_a_host_is_found_in_any_spelling_of_a_url() -> None:
    text = (
        rb"""wss://u:p@one.example/ "https:\/\/two.example" HTTP://192.0.2.7:81"""
        rb""" https://[2001:db8::1]/ //no.example"""
    )
    assert added_hosts(archive(), archive(a_js=text)) == (
        "192.0.2.7",
        "[2001:db8::1]",
        "one.example",
        "two.example",
    )


def test_documents_and_binaries_name_no_hosts() -> None:
    unread = PackageFile("x.node", 9, "", None)
    new = archive(readme_md=b"https://doc.example", a_js_map=b"https://map.example")
    assert added_hosts(archive(), PackageArchive({**new.files, "x.node": unread}, (), 3, 0, None)) == ()

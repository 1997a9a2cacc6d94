"""A lock that is no JSON text is refused by the quick reader of pinned versions as by the whole one."""

from __future__ import annotations

import pytest

from npmguard.errors import LockfileError
from npmguard.lockfile.pinned import pinned_versions


@pytest.mark.parametrize(
    "document",
    [
        b'{"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1.0.0\xff"}}}',
        b'{"lockfileVersion":3,"packages":{"node_modules/a":{"version":' + b"[" * 100_000,
        b'{"lockfileVersion":3,"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"packages":{}}',
    ],
    ids=["not UTF-8", "nested in an entry", "nested elsewhere"],
)
def test_what_is_no_json_text_is_an_error_of_one_line(document: bytes) -> None:
    with pytest.raises(LockfileError) as caught:
        pinned_versions(document, "package-lock.json")
    assert "\n" not in str(caught.value)

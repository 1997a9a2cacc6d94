from __future__ import annotations

from datetime import UTC, datetime

import pytest

from npmguard.errors import TrustRootError
from npmguard.integrity import trust_root
from npmguard.integrity.trust_root import (
    Period,
    parse_trust_root,
    shipped_trust_root,
    shipped_trust_root_digest,
)

LOG_WITHOUT_BASE64 = (
    b'{"tlogs": [{"baseUrl": "", "publicKey": {"rawBytes": "?", "validFor": {"start": "2020-01-01T00:00:00Z"}},'
    b' "logId": {"keyId": "?"}}]}'
)


def test_the_installed_sigstore_ships_a_root_with_every_kind_of_authority() -> None:
    root = shipped_trust_root()
    assert "https://rekor.sigstore.dev" in {log.url for log in root.logs.values()}
    assert root.certificate_logs
    assert root.authorities
    assert root.timestamp_authorities
    assert root.digest == shipped_trust_root_digest()


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b'{"tlogs": [{}]}',
        b'{"ctlogs": [{"baseUrl": "", "publicKey": {"rawBytes": "?", "validFor": {"start": 0}}}]}',
        LOG_WITHOUT_BASE64,
    ],
)
def test_a_damaged_root_is_refused(document: bytes) -> None:
    with pytest.raises(TrustRootError, match="install sigstore anew"):
        parse_trust_root(document)


def test_a_root_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust_root, "_STORE", ("_store", "elsewhere", "trusted_root.json"))
    trust_root._shipped.cache_clear()
    shipped_trust_root.cache_clear()
    try:
        with pytest.raises(TrustRootError, match="npmguard names"):
            shipped_trust_root()
    finally:
        trust_root._shipped.cache_clear()
        shipped_trust_root.cache_clear()


def test_a_period_holds_its_ends() -> None:
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
    assert [Period(start, end).covers(when) for when in (start, end)] == [True, True]
    assert not Period(start, end).covers(datetime(2019, 12, 31, tzinfo=UTC))
    assert not Period(start, end).covers(datetime(2021, 1, 2, tzinfo=UTC))
    assert Period(start).covers(datetime(2999, 1, 1, tzinfo=UTC))

"""Registry signatures: whether the registry's own key signed a version's integrity.

After https://docs.npmjs.com/about-registry-signatures and ``pacote/lib/registry.js``: ECDSA over P-256 with
SHA-256, over the text ``name@version:integrity``. Pure: nothing is fetched.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as BinasciiError
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final

import msgspec

from npmguard.errors import RegistryProtocolError

if TYPE_CHECKING:  # a scan of packages without signatures does not pay for it
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

#: The one key type, and the one scheme, that npm's format has.
SCHEME: Final = "ecdsa-sha2-nistp256"
_MAX_KEYS = 64
_MAX_SPELLED = 3  # hashes of one integrity whose order is guessed


class SignatureOutcome(StrEnum):
    """How a registry signature stands; only `valid` speaks for a release and only `invalid` against it."""

    VALID = "valid"
    INVALID = "invalid"  # a key that the registry publishes did not sign this
    MISSING = "missing"  # the registry publishes keys, and did not sign this
    UNVERIFIABLE = "unverifiable"  # no keys, or none that can decide
    NOT_ASKED = "not-asked"  # the registry could not be asked for its keys; said by who asks


@dataclass(frozen=True, slots=True)
class SignatureResult:
    """The outcome, and why in half a sentence; ``keyid`` is the key that decided, where one did.

    ``expired`` says that the signature holds by a key that had expired when the registry says that the
    version was published.
    """

    outcome: SignatureOutcome
    detail: str
    keyid: str | None = None
    expired: bool = False


@dataclass(frozen=True, slots=True)
class RegistryKey:
    """One signing key of a registry.

    ``der`` is a SubjectPublicKeyInfo. ``expires`` (UTC) is when the registry stopped signing with it.
    ``problem`` is why it cannot be used: half a sentence, or None.
    """

    keyid: str
    der: bytes = field(repr=False)
    expires: datetime | None = None
    problem: str | None = None

    @property
    def public_key(self) -> EllipticCurvePublicKey:
        """The key, ready to verify with.

        Raises:
            ValueError: it is damaged, or not on the curve P-256.
        """
        return _load_key(self.der)

    def has_expired(self, when: datetime) -> bool:
        """Whether it was out of use at that time."""
        return self.expires is not None and when >= self.expires


def parse_keys(document: bytes) -> tuple[RegistryKey, ...]:
    """Read the answer of ``/-/npm/v1/keys``. A damaged key is kept, with its problem; it spoils no other.

    Raises:
        RegistryProtocolError: the answer is not JSON, or no list of keys.
    """
    try:
        listed = _KEYS.decode(document).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RegistryProtocolError(
            "the registry's list of signing keys is not in the format of /-/npm/v1/keys; ask again later"
        ) from None
    return tuple(_parse_key(item) for item in listed[:_MAX_KEYS])


def verify_signatures(
    name: str,
    version: str,
    integrity: str,
    signatures: Sequence[tuple[str, str]],
    keys: Sequence[RegistryKey],
    published: datetime | None,
) -> SignatureResult:
    """Say whether the registry signed this version with this integrity.

    One signature that does not hold makes it `invalid`, whatever the others say; else one that holds makes it
    `valid`. Stricter than npm where the publish time is not known and the key has expired since: nobody can
    say then, and it is `unverifiable`. More lenient where the key had expired before: publish times are not
    signed, and mirrors write their own, so that is told (``expired``) and not called tampering.

    Args:
        name: the package's name.
        version: its version.
        integrity: ``dist.integrity`` of the registry; for releases that have only a ``shasum``, that as
            ``sha1-<base64>``, as npm has it.
        signatures: keyid and base64 signature of each entry of ``dist.signatures``.
        keys: what :func:`parse_keys` read; empty where the registry publishes none.
        published: when the registry says that the version was published (UTC).
    """
    if not keys:
        return SignatureResult(SignatureOutcome.UNVERIFIABLE, "the registry publishes no signing keys")
    if not signatures:
        return SignatureResult(
            SignatureOutcome.MISSING, "the registry publishes signing keys, and did not sign it"
        )
    messages = [f"{name}@{version}:{spelled}".encode() for spelled in _spellings(integrity)]
    results = [_verify_one(keyid, text, messages, keys, published) for keyid, text in signatures]
    for outcome in (SignatureOutcome.INVALID, SignatureOutcome.VALID):
        for result in results:
            if result.outcome is outcome:
                return result
    return next((result for result in results if result.expired), results[0])


# --- one signature ---------------------------------------------------------------------------------------


def _verify_one(
    keyid: str, text: str, messages: Sequence[bytes], keys: Sequence[RegistryKey], published: datetime | None
) -> SignatureResult:
    shown = repr(keyid[:80])
    key = next((key for key in keys if key.keyid == keyid), None)  # npm takes the first, too
    if key is None:
        return _undecided(f"it is signed with the key {shown}, which the registry does not publish")
    if key.problem is None:
        try:
            public_key = key.public_key
        except ValueError as error:
            return _undecided(f"the registry's key {shown} {error}")
    else:
        return _undecided(f"the registry's key {shown} {key.problem}")
    signature = _lenient_base64(text)
    if signature is None or not any(_holds(public_key, signature, message) for message in messages):
        detail = (
            f"the signature does not hold for its name, version and integrity by the registry's key {shown}"
        )
        return SignatureResult(SignatureOutcome.INVALID, detail, keyid)
    if key.expires is None:
        return SignatureResult(SignatureOutcome.VALID, f"signed with the registry's key {shown}", keyid)
    day = key.expires.date().isoformat()
    if published is None:
        return _undecided(f"the registry's key {shown} has an end, {day}, and the publish time is not known")
    if key.has_expired(published):
        detail = f"signed with the registry's key {shown}, which had expired ({day}) when it was published"
        return SignatureResult(SignatureOutcome.UNVERIFIABLE, detail, keyid, expired=True)
    detail = f"signed with the registry's key {shown}, before that expired"
    return SignatureResult(SignatureOutcome.VALID, detail, keyid)


def _undecided(detail: str) -> SignatureResult:
    return SignatureResult(SignatureOutcome.UNVERIFIABLE, detail)


def _holds(key: EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    try:
        key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _spellings(integrity: str) -> Iterator[str]:
    """The integrity as it may have been signed: hashes of several algorithms have no order that is known."""
    tokens = integrity.split()
    yield integrity
    if 1 < len(tokens) <= _MAX_SPELLED:
        for order in permutations(tokens):
            if (spelled := " ".join(order)) != integrity:
                yield spelled


def _lenient_base64(text: str) -> bytes | None:
    """As Node.js reads it, which registries were tried against: URL-safe, wrapped or unpadded is all one."""
    plain = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (BinasciiError, ValueError):
        return None


# --- keys ------------------------------------------------------------------------------------------------


class _Keys(msgspec.Struct):
    keys: list[Any]


_KEYS = msgspec.json.Decoder(_Keys)


def _parse_key(item: Any) -> RegistryKey:
    fields = item if isinstance(item, dict) else {}
    keyid, text, ends = fields.get("keyid"), fields.get("key"), fields.get("expires")
    if not isinstance(keyid, str):
        return RegistryKey("", b"", problem="has no id")
    if fields.get("keytype") != SCHEME or fields.get("scheme") != SCHEME:
        return RegistryKey(keyid, b"", problem=f"is not of the type and scheme {SCHEME}")
    der = _lenient_base64(text) if isinstance(text, str) else None
    if not der:
        return RegistryKey(keyid, b"", problem="is damaged")
    try:
        expires = None if ends is None else msgspec.convert(ends, datetime)
    except msgspec.ValidationError:
        return RegistryKey(keyid, der, problem="expires at a time that cannot be read")
    if expires is not None:
        expires = expires.replace(tzinfo=UTC) if expires.tzinfo is None else expires.astimezone(UTC)
    return RegistryKey(keyid, der, expires)


@lru_cache(maxsize=256)
def _load_key(der: bytes) -> EllipticCurvePublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is damaged") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("is not a key on the curve P-256")  # noqa: TRY004 - a wrong value of the right format
    return key

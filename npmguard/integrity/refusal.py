"""Why a statement is not accepted: it is contradicted, or it cannot be judged."""

from __future__ import annotations

from base64 import b64decode, b64encode


class Refusal(Exception):  # noqa: N818 - an outcome on its way to the caller, not an error
    """Root of both; the message is half a sentence about what was looked at."""


class Forged(Refusal):
    """What is signed and what is there contradict each other: the outcome is `invalid`."""


class Unjudged(Refusal):
    """Material is lacking, or of a kind that is not known here: the outcome is `unverifiable`."""


def decode_base64(text: str, what: str) -> bytes:
    """The bytes of *text*, which must be their one canonical spelling, so that no flipped character is let be.

    Raises:
        Forged: it is not.
    """
    try:
        content = b64decode(text, validate=True)
    except ValueError:
        raise Forged(f"{what} is not base64") from None
    if b64encode(content).decode("ascii") != text:
        raise Forged(f"{what} is not canonical base64")
    return content

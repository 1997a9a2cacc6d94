"""QR and other codes in images, read by zxing; a link in one is a link of the message."""

from __future__ import annotations

import io
import struct
import warnings


def read_codes(content: bytes, pixels: int) -> tuple[tuple[str, ...], int, str | None]:
    """The texts of the codes in one image, how many pixels were read, and why none could be.

    An image of more than *pixels* is not decoded: its size is read from its header first.
    """
    from PIL import Image  # noqa: PLC0415 - loaded for mail with images only

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "GIF", "BMP", "WEBP")) as image:
                size = image.width * image.height
                if size > pixels:
                    return (), 0, f"an image of {image.width} x {image.height} pixels was not searched for codes"
                if size == 0:
                    return (), 0, None
                grey = image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "L")
                if grey.mode == "RGBA":
                    white = Image.new("RGBA", grey.size, "white")
                    grey = Image.alpha_composite(white, grey).convert("L")
                return _decode(grey), size, None
    except (OSError, ValueError, SyntaxError, struct.error, EOFError, IndexError, KeyError, TypeError, Image.DecompressionBombError):
        # Pillow's plugins let any of these escape from damaged images; one that a client cannot show either hides nothing
        return (), 0, None


def _decode(grey: object) -> tuple[str, ...]:
    import zxingcpp  # noqa: PLC0415 - loaded for mail with images only

    return tuple(sorted({code.text[:2048] for code in zxingcpp.read_barcodes(grey) if code.text}))

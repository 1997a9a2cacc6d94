"""QR codes in images, read by zxing; a link in one is a link of the message."""

from __future__ import annotations

import io
import math
import struct
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


_IMAGE_PIXELS = 16_000_000  # decoded at once
_SEARCHED_PIXELS = (
    4_000_000  # a larger picture is made smaller first: a code that a phone can read is large in it
)


def read_codes(content: bytes, pixels: int) -> tuple[tuple[str, ...], int, str | None]:
    """The texts of the QR codes in one image, how many pixels were read, and why none could be.

    An image of more than *pixels* is not decoded: its size is read from its header first.
    """
    from PIL import Image  # noqa: PLC0415 - loaded for mail with images only

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "GIF", "BMP", "WEBP")) as image:
                shown = f"{image.width} x {image.height}"
                if max(image.size) > 2000:
                    image.draft("L", (2000, 2000))  # JPEG decodes straight to a smaller picture
                size = image.width * image.height
                if size > min(pixels, _IMAGE_PIXELS):
                    return (), 0, f"an image of {shown} pixels was not searched for QR codes"
                if size == 0:
                    return (), 0, None
                factor = math.isqrt(max(0, size - 1) // _SEARCHED_PIXELS) + 1
                smaller = image.reduce(factor) if factor > 1 and image.mode in {"L", "RGB", "RGBA"} else image
                return _decode(_grey(smaller)), size, None
    except (
        OSError,
        ValueError,
        SyntaxError,
        struct.error,
        EOFError,
        IndexError,
        KeyError,
        TypeError,
        Image.DecompressionBombError,
    ):
        # Pillow's plugins let any of these escape from damaged images, which no client shows either
        return (), 0, None


def _grey(image: Image) -> Image:
    """*image* in shades of grey, on white where it is transparent."""
    from PIL import Image as images  # noqa: N813, PLC0415 - the module that the class is in

    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("L")
    full = image.convert("RGBA")
    return images.alpha_composite(images.new("RGBA", full.size, "white"), full).convert("L")


def _decode(grey: Image) -> tuple[str, ...]:
    import zxingcpp  # noqa: PLC0415 - loaded for mail with images only

    codes = zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    return tuple(sorted({code.text[:2048] for code in codes if code.text}))

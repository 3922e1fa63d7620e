"""One image file -> its size without decoding it, and its pixels; by Pillow."""

import contextlib
import math
import os
import threading
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from keras_lottery.data.sources import Form

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
HEIC = (".heic", ".heif", ".hif", ".avif")
CONVERT = (
    "HEIC or AVIF, which phones write: convert to JPEG, on a Mac by `sips -s format jpeg FILE --out "
    "FILE.jpg`, elsewhere by `magick FILE FILE.jpg`"
)
BROKEN = "cannot be read as an image; expected a whole PNG, JPEG, BMP, GIF or WebP: replace or take out"
TOO_LARGE = (
    f"has more than {2 * Image.MAX_IMAGE_PIXELS // 10**6} million pixels: make it smaller or take it out"
)
_LARGE = 2**24  # pixels: above it an image takes a gigabyte or so while it is decoded
_ONE_AT_A_TIME = threading.Lock()
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
_TURNED = {  # EXIF's orientation -> what makes the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Header(NamedTuple):
    """What an image file says of itself: its upright size, and whether it is grey."""

    height: int
    width: int
    grey: bool


class Unreadable(Exception):
    """Why a file cannot be used, in words that follow its name."""


def header(file: str) -> Header:
    """The header of an image file, whose pixels are not decoded.

    Raises:
      Unreadable: it is no image of a known format.
    """
    with _opened(file) as image:
        width, height = image.size
        if _orientation(image) >= 5:
            width, height = height, width
        return Header(height, width, image.mode in _GREY)


def pixels(file: str, form: Form) -> np.ndarray:
    """The upright image in a file as uint8 (height, width, channels); the first of several frames, without
    transparency.

    Args:
      file: its path.
      form: the size and channels to bring it to, bilinear with antialiasing.

    Raises:
      Unreadable: it is no whole image.
    """
    with _opened(file) as image:
        orientation = _orientation(image)
        if (
            form.size
        ):  # a JPEG is decoded at a half, quarter or eighth of its size, at least twice the wanted one
            image.draft(None, (2 * max(form.size),) * 2)
        with _ONE_AT_A_TIME if math.prod(image.size) > _LARGE else contextlib.nullcontext():
            return _decoded(image, orientation, form)


def _decoded(image, orientation, form):
    image.load()
    upright = image.transpose(_TURNED[orientation]) if orientation in _TURNED else image
    upright = _plain(upright, form.channels)
    if form.size:
        size = form.size[::-1]
        how = Image.Resampling.BILINEAR
        upright = ImageOps.fit(upright, size, how) if form.crop else upright.resize(size, how)
    array = np.asarray(upright)
    return array if array.ndim == 3 else array[..., None]


@contextlib.contextmanager
def _opened(file):
    try:
        with Image.open(file, formats=FORMATS) as image:
            yield image
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise Unreadable(TOO_LARGE) from error
    except UnidentifiedImageError as error:
        raise Unreadable(f"is {CONVERT}" if _is_heic(file) else BROKEN) from error
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}" if error.strerror else BROKEN) from error
    except Exception as error:  # of many kinds, from damaged files
        raise Unreadable(BROKEN) from error


def _is_heic(file):
    """Whether a file of any name begins as HEIC and AVIF do."""
    with open(file, "rb") as opened:
        head = opened.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif")


def _orientation(image):
    """How the camera was held, as EXIF tells it, 1 for upright and where nothing is told."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode it all to look
    with contextlib.suppress(Exception):  # broken metadata: the image may still be good
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def _plain(image, channels):
    """The image in grey or in colour: as `channels` says, else in colour."""
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off at 255
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype("uint8"))
    if image.mode == "P":
        image = image.convert("RGBA")  # its palette may hold transparency
    return image.convert("L" if channels == 1 else "RGB")


def usable(name: str) -> str:
    """Why a file of this name is not looked into, "" if it is.

    >>> usable("cat.webp"), usable("notes.txt")[:14]
    ('', 'cannot be used')
    """
    extension = os.path.splitext(name)[1].lower()
    if extension in HEIC:
        return f"is {CONVERT}"
    return (
        ""
        if extension in EXTENSIONS
        else f"cannot be used, not being {', '.join(EXTENSIONS)}: convert or take out"
    )

"""Reading picture files: the one reader of frames and of flow maps that are given as pictures."""

import struct
from pathlib import Path

import cv2
import numpy as np

from apexbench.errors import InputError

_LARGEST = 2**25  # pixels of a frame, 8192 x 4096; and four bytes of a file for each
_JPEG = b"\xff\xd8"
_MEND = "copy it anew from the release"


def read_frame(path: Path, gray: bool = False) -> np.ndarray:
    """Read one picture as uint8, (H, W, 3) RGB or (H, W, 1) gray, as it is stored; with `gray` always (H, W, 1).

    Raises InputError for a file that is empty, cut off, not a picture or larger than any frame is.
    """
    check_header(path)
    image = None
    try:
        data = np.fromfile(path, np.uint8)  # cv2.imread pads a truncated JPEG with gray, cv2.imdecode refuses it
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_ANYCOLOR)
    except (OSError, MemoryError, cv2.error) as error:
        raise InputError(f"{path}: not a readable image ({' '.join(str(error).split())}); {_MEND}") from None
    if image is None:
        raise InputError(f"{path}: not a readable image; copy it anew from the release")
    return image[..., None] if image.ndim == 2 else image[..., ::-1]


def check_header(path: Path) -> None:
    """Raise an InputError for what is no file, begins like no picture or says that it is larger than any frame is."""
    try:
        if not path.is_file():  # reading a pipe would wait for ever
            raise InputError(f"{path}: no picture file, but a folder, a pipe or a broken link; {_MEND}")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(2**16)
            if head.startswith(_JPEG) and not any(_sides(head)):  # a picture of the picture may come first
                head += file.read(2**24)
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror}); {_MEND}") from None
    width, height = _sides(head)
    if width < 1 or height < 1:
        raise InputError(f"{path}: not a readable image; {_MEND}")
    if width * height > _LARGEST or size > 4 * _LARGEST:
        raise InputError(f"{path}: {width}x{height} px in {size} bytes is more than any frame has; {_MEND}")


def _sides(head: bytes) -> tuple[int, int]:
    """Width and height in px that the first bytes of a PNG, BMP or JPEG say; (0, 0) for anything else."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 26:
        return struct.unpack(">II", head[16:24])
    if head.startswith(b"BM") and len(head) >= 26:
        old = struct.unpack("<I", head[14:18])[0] == 12  # OS/2
        width, height = struct.unpack("<HH", head[18:22]) if old else struct.unpack("<ii", head[18:26])
        return width, abs(height)
    place = 2
    while head.startswith(_JPEG) and place + 9 <= len(head) and head[place] == 0xFF:
        kind, length = head[place + 1], struct.unpack(">H", head[place + 2 : place + 4])[0]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[place + 5 : place + 9])
            return width, height
        place += 1 if kind == 0xFF else length + 2
    return 0, 0

"""How a picture becomes tokens, and what linear classifiers see of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmformer.data.task import RawSplit
from swarmformer.data.tasks.pixels import check_patch, in_reading_order
from swarmformer.errors import DataError, SpecError

if TYPE_CHECKING:
    from PIL.Image import Image

GREYS, MOST_OF_CHANNEL, OF_CHANNEL = 256, 16, 8
DEEP = ("I", "F")
"""Beginnings of Pillow's modes for more than 8 bits, which it would cut off rather than scale."""


@dataclass(frozen=True)
class Look:
    """How pictures are seen; see the options of ``images``.

    Raises:
        SpecError: levels or a patch that cannot be.
    """

    size: int
    colour: bool
    levels: int
    patch: int

    def __post_init__(self) -> None:
        most = MOST_OF_CHANNEL if self.colour else GREYS
        if self.levels and not 2 <= self.levels <= most:
            raise SpecError(f"task images: levels must be 2 to {most} {'of each channel' if self.colour else 'of grey'}"
                            f", or 0, got {self.levels}")  # fmt: skip
        check_patch("images", self.patch, self.size)

    @property
    def depth(self) -> int:
        return self.levels or (OF_CHANNEL if self.colour else GREYS)

    @property
    def tokens(self) -> int:
        return self.depth ** (3 if self.colour else 1)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return ("[PAD]", *map(str, range(self.tokens)))

    def identity(self) -> dict[str, Any]:
        return {**asdict(self), "levels": self.depth}

    def text(self, picture: Image, place: str) -> str:
        """The tokens of a picture: its grey levels, or red · levels² + green · levels + blue.

        Raises:
            DataError: a picture that cannot be read, of more than 8 bits, or no square where none is made.
        """
        return " ".join(map(str, self._tokens(_opened(picture, place), place).tolist()))

    def _tokens(self, picture: Image, place: str) -> np.ndarray:
        from PIL import Image

        if self.size:
            picture = picture.resize((self.size, self.size), Image.Resampling.BILINEAR)
        elif picture.width != picture.height:
            raise DataError(f"{place}: {picture.width} × {picture.height} pixels are no square: say how large all "
                            "shall be, data.task.size")  # fmt: skip
        if not self.size:
            check_patch("images", self.patch, picture.width)
        pixels = np.asarray(picture.convert("RGB" if self.colour else "L"), dtype=np.int64) * self.depth // 256
        if self.colour:
            pixels = pixels @ self.depth ** np.array([2, 1, 0])
        return in_reading_order(pixels[None], self.patch)[0]

    def counts(self, split: RawSplit) -> np.ndarray:
        """Share of the pixels that have each level, or each colour, [n, tokens]."""
        return np.stack([np.bincount(row, minlength=self.tokens) / len(row) for row in map(_numbers, split.texts)])

    def in_place(self, split: RawSplit) -> np.ndarray:
        """Levels from 0 to 1 of grey, or of the three channels, [n, N] or [n, 3 N]."""
        tokens_nN = np.stack([_numbers(text) for text in split.texts])
        channels = [tokens_nN // self.depth**place % self.depth for place in ((2, 1, 0) if self.colour else (0,))]
        return np.concatenate(channels, axis=1) / (self.depth - 1)


def _numbers(text: str) -> np.ndarray:
    return np.array(text.split(" "), dtype=np.int64)


def _opened(picture: Image, place: str) -> Image:
    """Decoded, turned as it was taken, and without transparency (over white)."""
    from PIL import Image, ImageOps

    if picture.mode.startswith(DEEP):
        raise DataError(f"{place}: a picture of more than 8 bits (mode {picture.mode}): save it with 8")
    try:
        picture = ImageOps.exif_transpose(picture)
    except Exception as error:  # Pillow's readers fail in many ways; all mean the same here
        raise DataError(f"{place} cannot be read as a picture: {error}. Replace it or take it out.") from error
    if not picture.has_transparency_data:
        return picture
    seen = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)

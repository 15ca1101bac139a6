"""How real pictures become the ones that are compared: crop and resize, once, before any network. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from t2igan.data.pixels import BadSampleError, resize_square, too_small


@dataclass(frozen=True)
class Preparation:
    """The largest centred square, shrunk with a Lanczos filter to `size`; None = pictures stay as they are.

    A protocol may shrink twice: StyleGAN-T's reference at 64 px comes from the one at 256.
    """

    size: int | None = None
    by_way_of: int | None = None  # an intermediate size, rounded to bytes
    may_enlarge: bool = (
        False  # what is smaller becomes larger, as MS-COCO's protocols have it; else it is an error
    )

    @property
    def text(self) -> str:
        """For results and cache keys."""
        if self.size is None:
            return "as stored"
        way = f"{self.by_way_of} px, then " if self.by_way_of else ""
        enlarged = ", smaller ones enlarged" if self.may_enlarge else ""
        return f"centre crop, Lanczos {way}{self.size} px{enlarged}"

    def __call__(self, picture: Image.Image) -> Image.Image:
        """An RGB picture -> the one that is measured.

        Raises:
            BadSampleError: if its shorter side is smaller than `size`, unless that may be enlarged.
        """
        if self.size is None:
            return picture
        for size in filter(None, (self.by_way_of, self.size)):
            if min(picture.size) < size and not self.may_enlarge:
                raise BadSampleError(too_small(size), f"{picture.width} x {picture.height}")
            picture = resize_square(picture, size)
        return picture

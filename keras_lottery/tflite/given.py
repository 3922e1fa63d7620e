"""What an export is tried on: images and labels as they are given, or the parts of a data set."""

from typing import Any, NamedTuple

from ..core.errors import LotteryError

CHECKED = 1000  # validation images at most that each variant is tried on
TESTED = 10_000


class Given(NamedTuple):
    """What `export` is told of images; see there."""

    images: Any
    labels: Any
    normalization: tuple | None
    class_names: Any
    data: Any = None

    @property
    def tested(self):
        """(test images, their labels), which choose nothing; None without a data set."""
        return self.data and self.data.pixels("test", TESTED)


def of_data(data, images, labels, normalization, class_names) -> Given:
    """What there is to try an export on; of a data set the validation images.

    Raises:
      LotteryError: `data` is something else, without validation images, or given beside what it says.
    """
    if data is None:
        return Given(images, labels, normalization, class_names)
    if not hasattr(data, "pixels"):
        raise LotteryError(
            f"data is a {type(data).__name__}: give what lottery.data.load returns; arrays are given as "
            "images=... and labels=...."
        )
    told = {"images": images, "labels": labels, "normalization": normalization}
    twice = [name for name, value in told.items() if value is not None]
    if twice:
        raise LotteryError(f"data has images, labels and normalization: leave out {' and '.join(twice)}.")
    if data.validation is None:
        raise LotteryError(
            "validation is 0: the variant is chosen on validation images; give a share above 0."
        )
    images, labels = data.pixels("validation", CHECKED)
    names = data.class_names if class_names is None else class_names
    return Given(images, labels, (data.mean, data.std), names, data)

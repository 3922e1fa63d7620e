"""What an export made: a row for each way to encode the model, and which one was written."""

import dataclasses

from ..core import html

REFUSED = "not supported by LiteRT, left out"


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to encode the model: what it weighs, how fast it is here, and how far its outputs are from the
    Keras model's.

    format: how numbers are kept, see `convert.FORMATS`; encoding: "dense" or "sparse".
    bytes, gzip, zstd: of the file, and of the file as a download. load_ms, latency_ms: milliseconds on this
      machine; `latency` is over that of the first file that runs.
    largest_difference: absolute; relative_difference: over the output's largest absolute value, the worst of
      all outputs.
    accuracy: share of the labelled images that it gets right, 0..1.
    sparse_tensors: how many tensors are sparse-encoded in the file; sparse_kernels: how many of its 1x1
      convolutions and fully connected layers sparse kernels of an ARM processor can run.
    What could not be measured is None; `problem` says in words why the file cannot be used.
    """

    format: str
    encoding: str
    bytes: int | None = None
    gzip: int | None = None
    zstd: int | None = None
    load_ms: float | None = None
    latency_ms: float | None = None
    latency: float | None = None
    largest_difference: float | None = None
    relative_difference: float | None = None
    accuracy: float | None = None
    sparse_tensors: int | None = None
    sparse_kernels: int | None = None
    problem: str | None = None
    chosen: bool = False

    @property
    def name(self):
        return f"{self.format} {self.encoding}"

    @property
    def refused(self):
        """Whether there is a file, and LiteRT does not load or run it."""
        return self.problem is not None and self.bytes is not None and self.latency_ms is None


@dataclasses.dataclass(frozen=True)
class Export:
    """What `export` wrote: the file's path and a row for each variant that was tried, the written one
    `chosen`.

    accuracy: the Keras model's on the labelled images, 0..1; None without labels.
    test: with a data set what model and file get right of its test images, {"keras": .., "file": ..,
      "examples": n}; else None.
    restated: what the model gets right of the validation images in 16 bits, and in float32 before and after
      its BatchNorm statistics were taken anew; None where they were not.
    """

    path: str
    goal: str
    accuracy: float | None
    variants: tuple[Variant, ...]
    test: dict | None = None
    restated: dict | None = None

    def __repr__(self):
        return (
            f"Export({self.path}: {self.chosen.name}, {self.chosen.bytes:,} bytes, the best of "
            f"{len(self.variants)} for {self.goal})"
        )

    def _repr_html_(self):
        rows = [
            (row.name, row.bytes, REFUSED if row.refused else row.problem or ("chosen" if row.chosen else ""))
            for row in self.variants
        ]
        return html.table(repr(self), ("variant", "bytes", ""), rows)

    @property
    def chosen(self):
        return next(variant for variant in self.variants if variant.chosen)

    def to_dict(self):
        """The record as plain dicts, lists and numbers, ready for json.dump."""
        return {
            "path": self.path,
            "goal": self.goal,
            "accuracy": self.accuracy,
            "chosen": self.chosen.name,
            "variants": [{"name": variant.name, **dataclasses.asdict(variant)} for variant in self.variants],
            **({"restated": self.restated, "test": self.test} if self.test else {}),
        }

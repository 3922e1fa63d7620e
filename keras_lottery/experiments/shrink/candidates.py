"""Files that may serve a goal: written, measured side by side, and the best of them chosen."""

import dataclasses
from pathlib import Path

from ...core.errors import LotteryError
from ...core.saying import say
from ...data import Data
from ...models import heads
from ...tflite.choose import pick
from ...tflite.convert import FORMATS
from ...tflite.exporting import export
from ...tflite.measure import emulated, local
from ...tflite.record import Variant
from .. import jobs
from ..look import accuracy
from .enough import ROUNDING
from .trainings import CHANNELS, CYCLIC, SINGLE, Job, Net

DENSE, PRUNED = "dense", "pruned"
DENSE_INT8, PRUNED_INT8, PRUNED_FLOAT = "dense-int8", "pruned-int8", "pruned-float"
COMPACT, ODD = "compact-int8", "pruned-float-odd"
INTEGERS = "int8", "int8-dynamic"  # which are the fastest where no sparse kernels run
FLOATS = "float32", "float16", "int8-weights"  # which sparse kernels compute
NEEDED = {DENSE, PRUNED, CYCLIC}  # without these there is nothing to show


@dataclasses.dataclass(frozen=True)
class File:
    """A net as a file.

    Attributes:
      data: the photos in the size that it takes.
      variant: how it was encoded, and what came of it.
      kernels: how many layers sparse kernels of ARM processors can run, in one of the encodings of the net.
      slower: whether it is slower than the file that it is timed against, in each block of rounds.
      instructions: of an inference on an emulated ARM processor.
    """

    name: str
    path: Path
    net: Net
    data: Data
    variant: Variant
    kernels: int
    slower: bool = False
    instructions: float | None = None


def written(job: Job, searches: dict) -> list[File]:
    """Write the dense float32 file, then every file that may be the best for the goal and loses no more than
    is allowed.

    searches: {kind: its `Net`s} of what was trained.
    """
    dense = searches[SINGLE][0]
    nets = {kind: [net for net in found if net.fits][-1] for kind, found in searches.items() if found}
    if job.config.goal != "latency":
        return [float32(job, dense), *_files(job, nets[SINGLE], {PRUNED: FORMATS})]
    found = _files(job, dense, {DENSE: ["float32"], DENSE_INT8: ["int8"]})
    pruned = _files(job, nets[SINGLE], {PRUNED_INT8: INTEGERS, PRUNED_FLOAT: FLOATS})
    found += pruned
    if CHANNELS in nets:
        found += _files(job, nets[CHANNELS], {COMPACT: INTEGERS}, compact=True)
    if not any(file.kernels for file in pruned):
        found += _at_odd_size(job, nets[SINGLE], dense)
    return found


def float32(job: Job, net: Net, name: str = DENSE) -> File:
    """The dense float32 file of a net, written."""
    return _files(job, net, {name: ["float32"]})[0]


def beside(files: list[File], arm: bool) -> list[File]:
    """Measure the files' latencies side by side on this machine, as multiples of the dense int8 file's, or of
    the dense float32 file's if there is no int8 file; with `arm` count instructions on an emulated processor.
    """
    reference = next((file for file in files if file.name == DENSE_INT8), files[0])
    paths = {file.name: file.path for file in [reference, *files]}
    here = {row.name: row for row in local.latencies(paths)}
    counts = {row.name: row.instructions for row in emulated.instructions(paths)} if arm else {}

    def measured(file):
        row = here[file.name]
        times = {"load_ms": row.load.median, "latency_ms": row.latency.median, "latency": row.ratio.median}
        variant = dataclasses.replace(file.variant, **times)
        slower, instructions = row.ratio.low > 1, counts.get(file.name)
        return dataclasses.replace(file, variant=variant, slower=slower, instructions=instructions)

    return [measured(file) for file in files]


def best(files: list[File], goal: str) -> File:
    """The file that is the best for the goal, see `choose.pick`; for latency, of those that are not slower
    than the dense int8 file."""
    chosen = pick([file.variant for file in files if goal != "latency" or not file.slower], goal)
    return next(file for file in files if file.variant is chosen)


def _files(job, net, groups, made=None, data=None, compact=False):
    """A `File` of a net for each {name: formats}, the best of these for the goal that, with what the net has
    lost, loses no more than is allowed; what has none is said.

    made, data: a model in the place of the net's own, and its photos.
    """
    say(f"exporting {' and '.join(groups)}")
    folder = job.place.run_dir / "files" / next(iter(groups))
    data, files = data or job.given.data, []
    try:
        record = export(
            made or net.ticket.model("trained", job.place.keras),
            folder / "best.tflite",
            data=dataclasses.replace(data, test=data.test.take(1)),  # which `judged` looks at
            goal=job.config.goal,
            formats=[form for formats in groups.values() for form in formats],
            max_loss=min(max(0.0, job.allowed - net.points_lost), 100),
            compact=compact,
            variants_dir=folder,
            overwrite=True,
            verbose=False,
        )
    except LotteryError as error:
        return _left_out(groups, error)
    kernels = max(variant.sparse_kernels or 0 for variant in record.variants)
    for name, formats in groups.items():
        try:
            chosen = pick([one for one in record.variants if one.format in formats], job.config.goal)
            path = folder / f"{chosen.format}-{chosen.encoding}.tflite"
            files.append(File(name, path, net, data, chosen, kernels))
        except LotteryError as error:
            _left_out([name], error)
    return files


def _left_out(names, error):
    """Say why there are no files of some names; raises the error where there is nothing to show without."""
    if NEEDED & set(names):
        raise error
    say(f"{' and '.join(names)}: {error}")
    return []


def _at_odd_size(job, net, dense):
    """The file of a net for photos of an odd size, in a list, where sparse kernels run at that size alone.

    With stride 2, 'same' padding is the same on both sides for odd sizes alone, which those kernels ask for.
    """
    height, width, _ = job.given.data.input_shape
    if height % 2 or width % 2:
        return []
    size = height + 1, width + 1
    try:
        made = heads.of_size(net.ticket.model("trained", job.place.keras), *size)
        folder = job.place.run_dir / "files" / ODD
        tried = export(made, folder / "best.tflite", formats="float32", overwrite=True, verbose=False)
    except LotteryError:  # its weights are for its own size
        return []
    kernels = max(variant.sparse_kernels or 0 for variant in tried.variants)
    if not kernels:
        return []
    at = f"sparse kernels of ARM processors run at {size[0]}x{size[1]}, not at {height}x{width}"
    if job.asked.image_size is not None:
        say(f"{at}: leave image_size out to have that size weighed, too")
        return []
    say(f"{at}: that size is weighed, too")
    config = dataclasses.replace(job.given.config, image_size=size)
    data = jobs.load(config, job.config.seed, normalization=(job.given.data.mean, job.given.data.std))
    right = accuracy(made, data)
    lost = 100 * (dense.validation_accuracy - right)
    if lost > job.allowed + ROUNDING:
        say(f"at {size[0]}x{size[1]} the net loses {lost:.2f} points of validation accuracy")
        return []
    net = dataclasses.replace(net, validation_accuracy=right, points_lost=lost)
    return _files(job, net, {ODD: FLOATS}, made, data)

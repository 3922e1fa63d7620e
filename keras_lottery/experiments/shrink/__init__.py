"""A model made small for a phone: fine-tuned on photos, pruned as far as it bears, and written as .tflite."""

import dataclasses
from pathlib import Path

from ...config import DataConfig, Machine, Recipe, Run
from ...core import files
from ...core.errors import LotteryError
from ...core.jsonable import plain
from ...core.saying import say
from ...models import saved
from ...tflite.measure import emulator_root
from ...tflite.writing import checked_path, write
from ...training import run_folder
from .. import jobs, remarks
from ..configs import ShrinkConfig
from ..look import backend_of, opened
from . import candidates, judged
from .enough import Clock
from .table import show
from .trainings import CHANNELS, CYCLIC, SINGLE, Job, dense_cyclic, search

__all__ = ["show", "shrink"]


def shrink(config: ShrinkConfig, data: DataConfig, recipe: Recipe, machine: Machine, run: Run) -> dict:
    """Fine-tune a model on photos, prune it in rounds as far as its validation accuracy bears, and write it
    as .tflite.

    The weights are never taken back: each round starts the optimizer and its learning rate anew
    (learning-rate rewinding). Rounds end after two in a row whose validation accuracy is more than
    `config.max_loss` points, and more than one image, below that of the dense net fine-tuned once; the
    sparsest that is not is exported. For latency also rounds that prune whole channels are trained, which are
    taken out, and the fastest file of these nets on this machine is taken. The test images choose nothing.

    Returns:
      The result, a JSON-able dict, which is in run_dir/result.json as well.

    Raises:
      LotteryError: whatever keeps it from starting, before images are decoded where that can be.

    Source: learning-rate rewinding, Renda et al. 2020 (arXiv 2003.02389), section 2.
    """
    clock = Clock(config.budget, config.epochs)
    output = _checked(config, data, run)
    machine = dataclasses.replace(machine, backend=backend_of(config.model, machine.backend))
    place = jobs.prepare(recipe, config.seed, machine, run)
    with place.devices():
        given = opened(config, data, config.seed, place.keras, jobs.load)
        for line in given.told:
            say(line)
        place = place.settled(given.model, given.data, data, config.epochs)
        say(place.told)
        job = Job(config, data, given, place, run, clock)
    with run_folder.open_run(place.run_dir, "shrink", _told(job), run.overwrite):
        return _shrunk(job, output)


def _shrunk(job, output):
    """The result, once the folder of the run is ours."""
    config, given, place, clock = job.config, job.given, job.place, job.clock
    clock.keep(place.run_dir / "clock.json")
    with place.devices():
        searches = _searched(job)
    dense = searches[SINGLE][0]
    remarks.say([{"control": "dense", "history": dense.ticket.rounds[0]["history"]}], given.data)
    files_of = candidates.beside(candidates.written(job, searches), config.arm)
    chosen = candidates.best(files_of, config.goal)
    if CYCLIC in config.controls:
        with place.devices():
            searches[CYCLIC] = dense_cyclic(job, dense, chosen.net.trainings)
    test = _tested(job, files_of[0], chosen, searches.get(CYCLIC, []))
    place.engine.keras.backend.clear_session()
    result = {
        "command": "shrink",
        "told": [*given.told, place.told],
        **_told(job),
        "goal": config.goal,
        "allowed": job.allowed,
        "one_image": job.image,
        "rounds": {kind: [_of_net(net) for net in nets] for kind, nets in searches.items()},
        "files": [_of_file(file, file is chosen) for file in files_of],
        "chosen": chosen.name,
        "sparsity": chosen.net.sparsity,
        "test": test,
        "ticket": str(chosen.net.folder),
        "output": str(output),
        "run_dir": str(place.run_dir),
        "minutes": clock.whole / 60,
    }
    files.write_json(place.run_dir / run_folder.RESULT, result)
    write(output, chosen.path.read_bytes())  # last: with the file there, the command would not go on
    return plain(result)


def _told(job):
    """What the rounds depend on."""
    return {
        **jobs.about(job.place, job.given.data),
        "model": str(job.config.model),
        **saved.of_file(job.config.model),
        "weights": job.config.weights,
        "preprocessing": job.given.scaling,
        "epochs": job.config.epochs,
        "seed": job.config.seed,
        "max_loss": job.config.max_loss,
        "precision": job.place.machine.precision,
    }


def _checked(config, data, run):
    """The file to write, once it is known that it may be; all that needs no image is checked with it."""
    if not config.model:
        raise LotteryError("no model given: give model='FILE.keras', or a name such as MobileNetV2.")
    if not config.output:
        raise LotteryError("no output given: give output='FILE.tflite'.")
    if data.validation == 0:
        raise LotteryError("validation=0 leaves no images to judge rounds by: give a share like 0.1.")
    output = checked_path(config.output, run.overwrite)
    if config.arm:
        emulator_root.root()
    return output


def _searched(job):
    """{kind: its `Net`s} of the searches that the goal asks for. Each may take an equal share of the time
    that is left, and so may the dense net that is trained as often."""
    later = bool(job.config.controls)
    if job.config.goal != "latency":
        return {SINGLE: search(job, parts=1 + later)}
    single = search(job, parts=2 + later)
    channels = search(job, CHANNELS, single[0].validation_accuracy, parts=1 + later)
    return {SINGLE: single, CHANNELS: channels}


def _of_net(net):
    return {**dataclasses.asdict(net), "folder": str(net.folder)}


def _of_file(file, chosen):
    return {
        "name": file.name,
        "path": str(file.path),
        "encoded": file.variant.name,
        "sparsity": file.net.sparsity,
        "trainings": file.net.trainings,
        "input_shape": file.data.input_shape,
        **dataclasses.asdict(dataclasses.replace(file.variant, chosen=chosen)),
        "instructions": file.instructions,
    }


def _tested(job, dense, chosen, cyclic):
    """What the dense file and the chosen one get right of the test photos, and the points lost: against the
    dense net fine-tuned once, and against the last of `cyclic`, if it was trained as often."""
    before, after = (judged.right(file.path, file.data) for file in (dense, chosen))
    told = {
        "images": before.size,
        "dense": judged.accuracy(before),
        "chosen": {**judged.accuracy(after), **judged.points_lost(before, after)},
    }
    if len(cyclic) == chosen.net.trainings:
        file = candidates.float32(job, cyclic[-1], CYCLIC)
        right = judged.right(file.path, file.data)
        told[CYCLIC] = {**judged.accuracy(right), **judged.points_lost(right, after)}
    return told

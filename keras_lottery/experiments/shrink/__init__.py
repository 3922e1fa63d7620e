"""A model made small for a phone: fine-tuned on photos, pruned as far as it bears, and written as .tflite."""

import dataclasses
from pathlib import Path

import numpy as np

from ... import wrapping
from ...config import DataConfig, Machine, Recipe, Run
from ...core import files
from ...core.errors import Failed, LotteryError
from ...core.jsonable import plain
from ...core.saying import say
from ...models import saved
from ...search.find_ticket import find_ticket
from ...tflite.exporting import export
from ...tflite.writing import checked_path
from ...tickets.ticket import load_ticket
from ...training import run_folder
from .. import jobs, remarks
from ..configs import ShrinkConfig
from ..look import Opened, backend_of, opened
from ..stats import estimate
from .enough import Enough, UntilEnough
from .table import show

__all__ = ["SPARSITIES", "show", "shrink"]
SPARSITIES = (0.5, 0.75, 0.875, 0.9, 0.95, 0.975)
TRIED = 200  # validation images at most that the dense file is run on


def shrink(config: ShrinkConfig, data: DataConfig, recipe: Recipe, machine: Machine, run: Run) -> dict:
    """Fine-tune a model on photos, prune it in rounds as far as its validation accuracy bears, and write it
    as .tflite.

    The weights are never taken back: each round starts the optimizer and its learning rate anew
    (learning-rate rewinding). Rounds end after two in a row whose validation accuracy is more than
    `config.max_loss` points, and more than one image, below that of the dense net fine-tuned once; the
    sparsest that is not is exported. The test images choose nothing.

    Returns:
      The result, a JSON-able dict, which is in run_dir/result.json as well.

    Raises:
      LotteryError: whatever keeps it from starting, before images are decoded where that can be.

    Source: learning-rate rewinding, Renda et al. 2020 (arXiv 2003.02389), section 2.
    """
    output = _output(config, data, run)
    machine = dataclasses.replace(machine, backend=backend_of(config.model, machine.backend))
    place = jobs.prepare(recipe, config.seed, machine, run)
    with place.devices():
        given = opened(config, data, config.seed, place.keras, jobs.load)
        for line in given.told:
            say(line)
        place = place.settled(given.model, given.data, data)
        say(place.told)
        run_folder.open_run(place.run_dir, "shrink", _told(config, given, place), run.overwrite)
        tickets = _searched(config, given, place, run)
    remarks.say([{"control": "dense", "history": tickets[0].rounds[0]["history"]}], given.data)
    allowed = _allowed(config, given)
    rows = [_row(ticket, tickets[0], allowed) for ticket in tickets]
    number = max(n for n, row in enumerate(rows) if row["fits"])
    dense, chosen = (_tested(tickets[n], given, place.keras) for n in (0, number))
    left = max(0.0, allowed - rows[number]["points_lost"])  # for the file to lose
    files_of = _exported(config, given, place, (tickets[0], tickets[number]), output, left)
    result = {
        "command": "shrink",
        "told": given.told,
        **_told(config, given, place),
        "goal": config.goal,
        "allowed": allowed,
        "rounds": rows,
        "chosen": number,
        "sparsity": rows[number]["sparsity"],
        "test": _compared(dense, chosen),
        **files_of,
        "ticket": str(run_folder.round_folder(place.run_dir / "search", number)),
        "output": str(output),
        "run_dir": str(place.run_dir),
    }
    files.write_json(place.run_dir / run_folder.RESULT, result)
    return plain(result)


def _told(config, given, place):
    """What the rounds depend on."""
    return {
        **jobs.about(place, given.data),
        "model": str(config.model),
        **saved.of_file(config.model),
        "weights": config.weights,
        "preprocessing": given.scaling,
        "epochs": config.epochs,
        "seed": config.seed,
        "max_loss": config.max_loss,
        "precision": place.machine.precision,
    }


def _output(config, data, run):
    """The file to write, once it is known that it may be; all that needs no image is checked with it."""
    if not config.model:
        raise LotteryError("no model given: give model='FILE.keras', or a name such as MobileNetV2.")
    if not config.output:
        raise LotteryError("no output given: give output='FILE.tflite'.")
    if data.validation == 0:
        raise LotteryError("validation=0 leaves no images to judge rounds by: give a share like 0.1.")
    return checked_path(config.output, run.overwrite)


def _searched(config, given: Opened, place, run):
    """The tickets of the rounds, the dense one first."""
    steps = len(given.data.train) * config.epochs
    folder = place.run_dir / "search"
    model = place.compiled(lambda: wrapping.wrap(given.model, verbose=False), steps)
    enough = UntilEnough(folder, _allowed(config, given), config.budget, len(SPARSITIES))
    try:
        find_ticket(
            model,
            given.data.train,
            given.data.validation,
            epochs=config.epochs,
            final_sparsity=SPARSITIES,
            rate=0.5,
            rewind="lr",
            seed=config.seed,
            run_dir=folder,
            callbacks=[enough],
            verbose=run.progress,
            info={
                **jobs.about(place, given.data),
                "model": str(config.model),
                "preprocessing": given.scaling,
            },
        )
    except Enough as said:
        say(said)
    except Failed as error:  # the rounds before count
        if not run_folder.finished_rounds(folder):
            raise
        say(error)
    numbers = range(run_folder.finished_rounds(folder))
    return [load_ticket(run_folder.round_folder(folder, number)) for number in numbers]


def _allowed(config, given):
    """The points of validation accuracy that may be lost: one image at least."""
    return max(config.max_loss, 100 / given.data.sizes["validation"])


def _row(ticket, dense, allowed):
    """What a round reached."""
    accuracy, best = (one.rounds[-1]["metrics"]["val_accuracy"] for one in (ticket, dense))
    lost = 100 * (best - accuracy)
    return {
        "sparsity": ticket.sparsity,
        "validation_accuracy": accuracy,
        "points_lost": lost,
        "fits": lost <= allowed + 1e-9,
    }


def _tested(ticket, given, keras):
    """Which test images the trained net of a ticket gets right: a bool array."""
    model = ticket.model("trained", keras)
    labels = np.concatenate([y.numpy() for _, y in given.data.test])
    return model.predict(given.data.test, verbose=0).argmax(-1) == labels


def _compared(dense, chosen):
    """Test accuracies, and the points lost with their 95% interval over the images, on which both are judged.

    Where the two agree on each of n images, at most 3 / n disagree (the rule of three, Hanley & Lippman-Hand
    1983).
    """
    lost = estimate(100.0 * (dense.astype("float64") - chosen))
    return {
        "images": dense.size,
        "dense": dense.mean(),
        "chosen": chosen.mean(),
        "points_lost": lost.mean,
        "half": lost.half or 100 * min(1.0, 3 / dense.size),
    }


def _exported(config, given, place, tickets, output, left):
    """The figures of the dense float32 file and of the file for the goal, which may lose `left` points."""
    dense, chosen = (ticket.model("trained", place.keras) for ticket in tickets)
    before = export(
        dense,
        place.run_dir / "dense.tflite",
        formats="float32",
        images=given.data.pixels("validation", TRIED)[0],
        normalization=(given.data.mean, given.data.std),
        class_names=given.data.class_names,
        overwrite=True,
        verbose=False,
    )
    after = export(
        chosen,
        output,
        data=given.data,
        goal=config.goal,
        max_loss=min(left, 100),
        overwrite=True,
        verbose=False,
    )
    plain_file = next(variant for variant in before.variants if variant.encoding == "dense")
    place.engine.keras.backend.clear_session()
    return {
        "before": dataclasses.asdict(plain_file),
        "after": {
            **dataclasses.asdict(after.chosen),
            "name": after.chosen.name,
            "test_accuracy": after.test["file"],
        },
    }

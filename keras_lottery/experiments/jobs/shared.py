"""What the jobs share: checks before anything is trained, the data, the net, and the result."""

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path

from ... import data, engines, wrapping
from ...config import DataConfig, Machine, Net, Recipe, Run
from ...core import files
from ...core.counts import check_leaves_some
from ...core.jsonable import plain
from ...core.saying import say
from ...tickets.carry import transfer
from ...tickets.ticket import from_model, shipped
from ...training import run_folder
from .. import machine as machines
from .. import recipes
from ..controls import FROM_POINT, first_step
from ..corruptions import IMAGES
from ..optimizers import compile_classifier, make_optimizer
from ..precision import set_precision

FINETUNED = 0.01  # what a cosine ends at, as a share of its rate, where training goes on at that rate


@dataclasses.dataclass(frozen=True)
class Place:
    """Where and how a job trains, once what its configs say "auto" of is settled.

    Attributes:
      machine: a Machine without "auto".
      asked: the Machine that was asked for.
      devices: a function that gives the scope to build and train in.
      run_dir: the folder.
      recipe, seed: of its trainings.
      told: a line that says what the recipe is and why, once it is settled.
      was_open: whether something of it was chosen, or taken from a ticket.
    """

    machine: Machine
    asked: Machine
    devices: Callable
    run_dir: Path
    recipe: Recipe
    seed: int
    told: str = ""
    was_open: bool = False

    @property
    def engine(self):
        """The engine that it trains with."""
        return machines.engine(self.machine.backend)

    @property
    def keras(self) -> str:
        """Which Keras it trains with."""
        return machines.kind(self.machine.backend)

    def settled(self, model, loaded, asked: DataConfig, epochs=None, **of):
        """The place with the options of its recipe that are open settled for a training of so many epochs;
        `of` as for `recipes.settled`."""
        steps = epochs and epochs * len(loaded.train)
        recipe, source = recipes.settled(self.recipe, model, steps=steps, **of)
        told = recipes.line(recipe, source, asked, loaded)
        return dataclasses.replace(self, recipe=recipe, told=told, was_open=recipe != self.recipe)

    def made(self, make):
        """The model that make() gives, repeatable."""
        self.engine.set_seed(self.seed)
        return make()

    def compile(self, net, steps, end=0.0):
        """The model, compiled for trainings of so many steps."""
        optimizer = make_optimizer(steps=steps, keras=self.keras, end=end, **self.recipe.entries())
        compile_classifier(net, optimizer)
        return net

    def compiled(self, make, steps, end=0.0):
        """The model that make() gives, repeatable, compiled for trainings of so many steps."""
        return self.compile(self.made(make), steps, end)

    def tell(self, progress):
        """Print what it trains with; without `progress` no more than a recipe that was open."""
        policy = self.machine.precision
        chosen = self.asked.precision == "auto" and policy != "float32"
        more = " (the fastest here; --precision=float32 is the other)" if chosen else ""
        if progress:
            say(f"training with {self.machine.backend} in {policy}{more}")
        if progress or self.was_open:
            say(self.told)


def prepare(recipe: Recipe, seed: int, machine: Machine, run: Run) -> Place:
    """Check what the jobs share, and make operations repeatable."""
    backend = machines.choose_backend(machine.backend)
    there = run_folder.check_run_dir(run.run_dir)
    devices = machines.place(machine.strategy, backend, machine.tpu)
    recipes.check(recipe, machines.kind(backend))
    machines.engine(backend).set_seed(seed)
    goes_on = machine.precision == "auto" and not run.overwrite
    asked = run_folder.precision(there) if goes_on else machine.precision
    precision = set_precision(asked, backend, machine.strategy)
    settled = dataclasses.replace(machine, backend=backend, precision=precision)
    return Place(settled, machine, devices, Path(run.run_dir), recipe, seed)


def load(dataset: DataConfig, seed: int, corrupted: bool = False, normalization: tuple | None = None):
    """The data set, whose batches the devices can share; those of corrupted test images, too, if asked
    for."""
    loaded = data.load(**dataset.arguments(), normalization=normalization, seed=seed)
    more = {"corrupted test images": min(IMAGES, loaded.sizes["test"])} if corrupted else {}
    machines.check_batches(loaded, more)
    return loaded


def check_net(model, net: Net, scope: str, sparsity: float, targets=()):
    """Raises LotteryError if a net cannot be pruned so far, or not carried to targets.

    Args:
      model: the plain net.
      targets: data, or anything else with an `input_shape` and `num_classes`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the runs say it
        wrapped = wrapping.wrap(model, scope=scope, block=net.block, verbose=False)
        check_leaves_some(wrapping.masks(wrapped), sparsity, scope)
        ticket = from_model(wrapped, engines.of(wrapped).values(), [])
        for target in targets:
            transfer(ticket, num_classes=target.num_classes, input_shape=target.input_shape)


def about(place: Place, loaded) -> dict:
    """What results tell of the data, and of what trained on them."""
    return {
        "data": loaded.describe(),
        "backend": place.machine.backend,
        "strategy": place.machine.strategy,
        "recipe": place.recipe.told(),
    }


def ticket_hash(folder):
    """What tells a ticket from others; None where there is none. Its file has the hashes of all the
    others."""
    there = Path(folder, "ticket.json").is_file()
    file = Path(folder if there else shipped().get(str(folder), folder), "ticket.json")
    return files.sha256(file)[:12] if file.is_file() else None


def early_stopping(place: Place, patience, loaded, start=0):
    """The callbacks that end a training without a better validation accuracy for so many epochs; [] for None.

    start: the step that the training begins at, before whose epoch none ends.
    """
    if patience is None:
        return []
    monitor = "accuracy" if loaded.validation is None else "val_accuracy"
    before = max(0, -(-start // len(loaded.train)) - 1) if isinstance(start, int) else 0
    early = place.engine.keras.callbacks.EarlyStopping
    return [early(monitor, patience=patience, start_from_epoch=before)]


def rewind_point(control, ticket, search):
    """(step, folder of the search) where a control begins on the source with weights of the rewind point;
    else None."""
    at_a_step = ticket.settings.get("rewind") in ("init", 0) or ticket.settings.get("rule")
    return (first_step(control, ticket), search) if control in FROM_POINT and at_a_step else None


def finish(run_dir, result):
    """Write the result of a run, which is given as JSON has it."""
    result = {**result, "run_dir": str(run_dir)}
    files.write_json(run_dir / run_folder.RESULT, result)
    return plain(result)

"""What the jobs share: checks before anything is trained, the data, and the result."""

from ... import data, engines
from ...core import files
from ...core.checks import SEED, known, whole
from ...core.jsonable import plain
from ...tickets.ticket import ticket_folder
from ...training import run_folder
from .. import machine
from ..controls import FROM_POINT, first_step
from ..corruptions import IMAGES
from ..machine import STRATEGIES, check_batches, place
from ..recipe import make_optimizer

FINETUNED = 0.01  # what a cosine ends at, as a share of its rate, where training goes on at that rate


def prepare(epochs, recipe, seed, precision, strategy, run_dir, backend, tpu=None):
    """Check what the jobs share; make operations repeatable; (backend, policy name, function that gives a scope)."""
    whole("epochs", epochs)
    whole("seed", seed, **SEED)
    known("precision", precision, machine.PRECISIONS)
    known("strategy", strategy, STRATEGIES)
    backend = machine.choose_backend(backend)
    run_folder.check_run_dir(run_dir)
    devices = place(strategy, backend, tpu)
    make_optimizer(steps=4, keras=machine.kind(backend), **recipe)
    engines.engine_of(machine.kind(backend)).set_seed(seed)
    return backend, machine.set_precision(precision, backend, strategy), devices


def load(dataset, seed, corrupted=False):
    """The data set, whose batches the devices can share; those of corrupted test images, too, if asked for."""
    loaded = data.load(**dataset, seed=seed)
    check_batches(loaded, {"corrupted test images": min(IMAGES, loaded.sizes["test"])} if corrupted else {})
    return loaded


def ticket_hash(folder):
    """What tells a ticket from others; None where there is none. Its file has the hashes of all the others."""
    file = ticket_folder(folder) / "ticket.json"
    return files.sha256(file)[:12] if file.is_file() else None


def tell(backend, policy, precision):
    chosen = (
        " (the fastest here; precision=float32 is the other)"
        if precision == "auto" and policy != "float32"
        else ""
    )
    print(f"training with {backend} in {policy}{chosen}", flush=True)


def rewind_point(control, ticket, search):
    """(step, folder of the search) where a control begins on the source with weights of the rewind point; else None."""
    at_a_step = ticket.settings.get("rewind") in ("init", 0) or ticket.settings.get("rule")
    return (first_step(control, ticket), search) if control in FROM_POINT and at_a_step else None


def finish(run_dir, result):
    result = {**result, "run_dir": str(run_dir)}
    files.write_json(run_dir / run_folder.RESULT, result)
    return plain(result)

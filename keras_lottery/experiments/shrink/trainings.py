"""The trainings of a shrink: rounds of pruning, second chances, and the dense net trained as often."""

import dataclasses
from pathlib import Path

from ... import wrapping
from ...config import DataConfig, Run
from ...core.errors import Failed, LotteryError
from ...core.saying import say
from ...search.find_ticket import find_ticket
from ...tickets.ticket import Ticket, load_ticket
from ...training import run_folder
from .. import jobs
from ..configs import ShrinkConfig
from ..jobs.shared import Place
from ..look import Opened
from ..train_control import Training, train
from .enough import FAILURES, ROUNDING, Clock, Enough, UntilEnough

SINGLE, CHANNELS, CYCLIC, AGAIN = "search", "structured", "dense-cyclic", "again"  # in the run folder
SPARSITIES = {SINGLE: (0.5, 0.75, 0.875, 0.9, 0.95, 0.975), CHANNELS: (0.3, 0.45, 0.6, 0.7, 0.8, 0.87, 0.92)}


@dataclasses.dataclass(frozen=True)
class Job:
    """What the parts of a command share; `asked` is what it was told of the photos."""

    config: ShrinkConfig
    asked: DataConfig
    given: Opened
    place: Place
    run: Run
    clock: Clock

    @property
    def image(self) -> float:
        """The points of validation accuracy that one image is."""
        return 100 / self.given.data.sizes["validation"]

    @property
    def allowed(self) -> float:
        """The points of validation accuracy that may be lost: one image at least."""
        return max(self.config.max_loss, self.image)

    @property
    def steps(self) -> int:
        """Of a training."""
        return len(self.given.data.train) * self.config.epochs


@dataclasses.dataclass(frozen=True)
class Net:
    """A round of a search.

    Attributes:
      folder: of its ticket.
      trainings: how many its weights have had.
      validation_accuracy: 0..1; points_lost: of it, against the dense net fine-tuned once.
      fits: whether that is allowed.
    """

    folder: Path
    trainings: int
    sparsity: float
    validation_accuracy: float
    points_lost: float
    fits: bool

    @property
    def ticket(self) -> Ticket:
        return load_ticket(self.folder)

    @classmethod
    def of(cls, job, folder, trainings, sparsity, accuracy, best):
        """That of a folder, by the dense net's validation accuracy `best`."""
        lost = 100 * (best - accuracy)
        return cls(folder, trainings, sparsity, accuracy, lost, lost <= job.allowed + ROUNDING)


def search(job: Job, kind: str = SINGLE, best: float | None = None, parts: int = 1) -> list[Net]:
    """Search, and train rounds that lost too much once more. The dense round comes first, the rounds that
    were trained once more come last. A search for channels has no rounds if the budget is spent before it
    begins, or if it is unknown which weights belong to which channel.

    Args:
      kind: SINGLE for rounds that prune single weights, CHANNELS for those that prune whole channels.
      best: the dense net's validation accuracy; None for that of this search.
      parts: of the time left, the search may take one of so many; each other one trains as often at most.
    """
    folder = job.place.run_dir / kind
    model = job.place.compiled(lambda: wrapping.wrap(job.given.model, verbose=False), job.steps)
    rounds = len(SPARSITIES[kind])
    more = (parts - 1) * (rounds + 1) + FAILURES
    later = {"more": more, "keep": job.clock.for_others(parts)}
    enough = UntilEnough(folder, job.allowed, rounds, job.clock, best, **later)
    try:
        find_ticket(
            model,
            job.given.data.train,
            job.given.data.validation,
            epochs=job.config.epochs,
            final_sparsity=SPARSITIES[kind],
            rate=0.5,
            rewind="lr",
            structured=kind == CHANNELS,
            seed=job.config.seed,
            run_dir=folder,
            callbacks=[job.clock, enough],
            verbose=job.run.progress,
            info=_notes(job),
        )
    except Enough as said:
        say(said)
    except LotteryError as error:  # the rounds before count
        if kind == SINGLE and not (isinstance(error, Failed) and run_folder.finished_rounds(folder)):
            raise
        say(error)
    nets = _nets(job, folder, best)
    return [*nets, *_once_more(job, kind, nets, best)]


def _once_more(job, kind, nets, best):
    """Train the rounds after the last good one once more under their masks, the least sparse first. The first
    round that still loses too much ends this."""
    last = max((number for number, net in enumerate(nets) if net.fits), default=len(nets))
    best = nets[0].validation_accuracy if nets and best is None else best
    again = []
    try:
        for net in nets[last + 1 :]:
            folder = job.place.run_dir / AGAIN / f"{kind}_{net.trainings:02d}"
            again.append(_trained_again(job, net, best, AGAIN, folder))
            if not again[-1].fits:
                break
    except (Enough, Failed) as said:
        say(said)
    return again


def _nets(job, folder, best):
    finished = run_folder.finished_rounds(folder)
    if not finished:
        return []
    records = load_ticket(run_folder.round_folder(folder, finished - 1)).rounds
    accuracies = [record["metrics"]["val_accuracy"] for record in records]
    best = accuracies[0] if best is None else best
    return [
        Net.of(job, run_folder.round_folder(folder, n), n + 1, record["sparsity"], accuracy, best)
        for n, (record, accuracy) in enumerate(zip(records, accuracies))
    ]


def dense_cyclic(job: Job, dense: Net, trainings: int) -> list[Net]:
    """Train the dense net until it has had so many trainings; the net after each. Weights are kept from one
    training to the next, the optimizer and its learning rate start anew. A training that diverges, or a spent
    budget, ends this early and is told.

    Args:
      dense: the net after its first training.
    """
    nets = [dense]
    try:
        while len(nets) < trainings:
            folder = job.place.run_dir / CYCLIC / f"training_{nets[-1].trainings + 1:02d}"
            nets.append(_trained_again(job, nets[-1], dense.validation_accuracy, CYCLIC, folder))
    except (Enough, Failed) as said:
        had = f"{CYCLIC} stopped after {len(nets)} of {trainings} trainings"
        say(f"{had}: {str(said).rstrip('.')}. To continue, give the command again with another output.")
    return nets


def _notes(job):
    """The notes of each ticket: among them its recipe and scaling, which a transfer takes over."""
    return {
        **jobs.about(job.place, job.given.data),
        "model": str(job.config.model),
        "preprocessing": job.given.scaling,
    }


def _trained_again(job, net, best, name, folder):
    """Train a net once more under its masks, or read that training's result if it is there."""
    if not (folder / run_folder.RESULT).exists():
        job.clock.check()
    seed = job.config.seed + net.trainings  # so that Dropout differs from training to training
    how = Training(
        name,
        job.config.epochs,
        folder,
        seed,
        callbacks=(job.clock,),
        verbose=job.run.progress,
        notes=_notes(job),
        told=f"training {net.trainings + 1} of the net with {net.sparsity:.1%} zeros, under the same mask",
    )
    make = lambda: job.place.compile(net.ticket.model("trained", job.place.keras), job.steps)
    row = train(how, make, job.given.data)
    return Net.of(job, folder / "student", net.trainings + 1, net.sparsity, row["validation_accuracy"], best)

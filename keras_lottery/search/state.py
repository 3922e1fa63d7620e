"""The rounds of a search as they stand: where each starts, and what is kept of it once it is finished."""

from collections import ChainMap

import numpy as np

from ..core import files, memory, team
from ..core.errors import LotteryError
from ..core.schedule import KEPT
from ..tickets.anew import drawn_anew
from ..tickets.ticket import from_model, load_ticket
from ..training import run_folder
from ..training.resumable import Start
from .alive import naming_the_last_good
from .rewind import Rewinder, random_of, record


class Rounds:
    """The run as it stands: which rounds are finished, in memory and in the run folder."""

    def __init__(self, handle, architecture, rewind, pruning, run_dir, info, settings):
        self.handle, self.architecture = handle, architecture
        self.run_dir = run_dir
        self.info, self.settings = info, settings
        self.records = []
        self.ticket = None
        self.finished = run_folder.finished_rounds(run_dir) if run_dir else 0
        copies = handle.weight_copies()  # before other weights are loaded
        if run_dir:
            if not self.finished and not (run_dir / run_folder.INITIAL).exists():
                state = ChainMap(handle.random_state(), handle.current())
                files.write_arrays(run_dir / run_folder.INITIAL, state)
            team.wait()
            initial, _ = files.read_arrays(run_dir / run_folder.INITIAL)
            _check_given(handle, initial, run_dir)
            handle.load_state(initial)
            handle.load_random_state(initial)
            handle.reset_optimizer(handle.optimizer_state(), copies)
        self.rewinder = Rewinder(handle, rewind, pruning)
        kept = self.finished > (rewind == "trained") and rewind not in (
            0,
            *KEPT,
        )  # then the file must be there
        if run_dir and (kept or (run_dir / run_folder.REWIND).exists()):
            self.rewinder.load(files.read_arrays(run_dir / run_folder.REWIND)[0])
        if self.finished:
            self.ticket = load_ticket(run_folder.round_folder(run_dir, self.finished - 1))
            self.records = list(self.ticket.rounds)
            handle.set_masks(self.ticket.masks)
            handle.load_state(self.ticket.trained)

    def begun(self, plan):
        """The `schedule.Round`s of a plan that are not finished, each once it has begun: pruned, rewound, its
        optimizer fresh. `finish` must end each before the next."""
        for round in plan[self.finished :]:
            self.ticket = None  # memory for the boundary and the training
            memory.give_back()
            if round.number:
                before = plan[round.number - 1]
                with naming_the_last_good(before.number, before.sparsity, self.where(before.number)):
                    self.rewinder.boundary(round, self.records[-1].get("stop"))
                self.keep_rewind_point()
            # Of what a round starts from a copy is kept where there is no rewind point.
            self.start = self.handle.values() if self.rewinder.rewind in KEPT else None
            yield round

    def place(self, round):
        """Where a `schedule.Round` begins, by the epochs of the dense training."""
        random = random_of(self.rewinder.beside) if round.rewind else {}
        ends = [entry["stop"] for entry in self.records[0]["history"]] if round.start else []
        return Start.at(round.start, ends, random)

    def finish(self, round, last, **notes):
        """End a `schedule.Round`: its record, its ticket and its folder.

        `last` has the metrics at its end and the step "stop"; the record has `notes`, too.
        """
        memory.give_back()  # of the training
        start = self.start or self._rewound(round.number)
        metrics = {
            name: value
            for name, value in last.items()
            if isinstance(value, (int, float)) and name not in ("start", "stop")
        }
        steps = {"start": round.start, "stop": last["stop"]}
        self.records.append({**record(self.handle.masks(), round.number, metrics), **steps, **notes})
        self.ticket = from_model(
            self.handle.model, start, self.records, self.info, self.architecture, self.settings
        )
        if self.run_dir:
            folder = run_folder.round_folder(self.run_dir, round.number)
            if (
                team.is_chief() and folder.exists()
            ):  # the others of a team may find what their chief just wrote
                raise LotteryError(
                    f"another process finished {folder} meanwhile: one search at a time in a run_dir."
                )
            self.ticket.save(folder)

    def where(self, number):
        """Where a finished round is kept, as the end of a sentence."""
        return f", in {run_folder.round_folder(self.run_dir, number)}" if self.run_dir else ""

    def _rewound(self, number):
        """The weights that the round's ticket rewinds to; of the dense one, those at the rewind point."""
        rewinder = self.rewinder
        if number == 0 and rewinder.rewind == "trained":
            return self.handle.values()
        if rewinder.point is None:
            raise LotteryError(
                f"rewind={rewinder.rewind}: the first round ended before that step, or the step was never "
                "the last one of an execution of steps (steps_per_execution): give an earlier step, or more "
                "epochs."
            )
        return dict(rewinder.point)

    def keep_rewind_point(self):
        if (
            self.run_dir
            and self.rewinder.point is not None
            and not (self.run_dir / run_folder.REWIND).exists()
        ):
            files.write_arrays(self.run_dir / run_folder.REWIND, self.rewinder.arrays())


def _check_given(handle, initial, run_dir):
    """Raises LotteryError if what the run's model was given, frozen or adapted, is not what this one was: it
    is another model."""
    now, drawn = handle.current(), drawn_anew(handle)
    for path in sorted(now.keys() - drawn):
        if path in initial and not _alike(initial[path], now[path]):
            raise LotteryError(
                f"{str(run_dir)!r} holds the run of a model with another {path!r}, which is frozen or "
                "adapted to data: give another run_dir, the model with the weights that it had to go on, "
                "or overwrite=True to start anew."
            )


def _alike(one, other):
    """Whether two states are equal, up to what another machine rounds otherwise as it adapts."""
    if one.dtype.kind in "biu":
        return np.array_equal(one, other)
    return np.allclose(one.astype("float64"), other.astype("float64"), rtol=1e-4, atol=1e-6, equal_nan=True)

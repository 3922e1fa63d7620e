"""The settings that trials of a ticket search try, as keras-tuner draws them."""

import tempfile

import keras_tuner
import threadpoolctl
from keras_tuner.engine.base_tuner import BaseTuner

OBJECTIVE = "validation_accuracy"
# Settings that are drawn at random before the Gaussian process proposes any: one more than it varies.
DRAWN = 5


class TicketTuner(BaseTuner):
    """A tuner each of whose trials is a ticket search.

    Args:
      trial: function of a trial's number, from 1, and its setting, {name: value}; it gives a
        dict that holds the validation accuracy, None where the training diverged.
      Others: as for keras-tuner's BaseTuner.
    """

    def __init__(self, trial, **arguments):
        self.trial = trial
        super().__init__(**arguments)

    def run_trial(self, trial):
        values = trial.hyperparameters.values
        setting = {name: values[name] for name in ("rate", "rewind", "learning_rate", "epochs")}
        setting["learning_rate"] = float(f"{setting['learning_rate']:.3g}")  # short enough to write down
        try:
            return {OBJECTIVE: self.trial(int(trial.trial_id) + 1, setting)[OBJECTIVE] or 0.0}
        except Exception as error:  # which keras-tuner would take for a bad setting, and go on
            raise keras_tuner.errors.FatalError(str(error)) from error


class Oracle(keras_tuner.oracles.BayesianOptimizationOracle):
    """keras-tuner's, on one thread: for a few trials several take ten times as long."""

    def populate_space(self, trial_id):
        with threadpoolctl.threadpool_limits(1, "blas"):
            return super().populate_space(trial_id)


def draw(trial, ranges, trials, seed):
    """Let keras-tuner choose the settings, one after the other; the same calls give the same settings.

    Args:
      trial: as for `TicketTuner`.
      ranges: {"rate" and "rewind": choices, "learning_rate" and "epochs": (lowest, highest)}.
    """
    space = keras_tuner.HyperParameters()
    space.Choice("rate", ranges["rate"])
    space.Choice("rewind", ranges["rewind"])
    space.Float("learning_rate", *ranges["learning_rate"], sampling="log")
    space.Int("epochs", *ranges["epochs"])
    oracle = Oracle(
        objective=keras_tuner.Objective(OBJECTIVE, "max"),
        max_trials=trials,
        num_initial_points=DRAWN,
        seed=seed + 1,  # it takes 0 for none
        hyperparameters=space,
    )
    oracle.verbose = 0
    # A kill can cut keras-tuner's own files. A resumed run draws the same settings anew instead, and the
    # folders of the trials say which of them are finished.
    with tempfile.TemporaryDirectory() as scratch:
        try:
            TicketTuner(trial, oracle=oracle, directory=scratch, project_name="tune").search()
        except keras_tuner.errors.FatalError as error:
            raise error.__cause__ or error from None

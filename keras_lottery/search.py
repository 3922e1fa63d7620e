"""find_ticket: the rounds of training, pruning and rewinding, resumable at any moment."""

import hashlib
import json

import numpy as np

from . import pruning, runs
from .data import batches
from .errors import LotteryError
from .resume import fit
from .rewind import RewindCallback, Rewinder, check_steps, record
from .schedule import check_rewind, round_sparsities
from .ticket import from_model, load_ticket


def find_ticket(
    model,
    train,
    validation_data=None,
    *,
    epochs,
    rounds=None,
    rate=None,
    final_sparsity=None,
    scope=None,
    rewind="init",
    seed=0,
    run_dir=None,
    callbacks=(),
    verbose="auto",
    info=None,
):
    """Find a winning ticket: train, prune the smallest weights, rewind, and again.

    Args:
      model: a compiled tf_keras model. A wrapped one is used in place and ends trained;
        from a plain one a copy is wrapped.
      train: a tf.data.Dataset of batches, or arrays (x, y) or (x, y, sample_weight),
        served in batches of 32 in an order that `seed` and the epoch set.
      validation_data: what `fit` takes.
      epochs: epochs of each round, and of the dense training before the first.
      rounds, rate, final_sparsity: two of these; see `schedule.round_sparsities`. With
        none, or only one of rounds and final_sparsity, rate is 0.2.
      scope: "global" or "layer"; None for what `wrap` was told, else "global".
      rewind: "init", a step of the first training, "trained" (its end) or "lr" (weights
        stay, the learning rate starts anew). The optimizer starts anew in each case.
      seed: sets Python's, NumPy's and TensorFlow's seed, and the order of arrays.
      run_dir: folder of the run. Killed and started again with the same call it goes on
        after the last finished epoch, with the same result where operations are
        deterministic and the order of `train` depends on seed and epoch only. A
        finished round r is the ticket folder round_0r.
      callbacks: for each round's fit. Theirs is memory of their own: a resumed run
        starts them anew.
      verbose: as for `fit`; 0 prints nothing.
      info: JSON-able notes for the ticket, such as the data's name.

    Returns:
      The Ticket of the last round, with rewind weights and trained weights.

    Raises:
      LotteryError: an impossible argument, an uncompiled model, a run_dir that holds
        another configuration (the difference is shown) or cannot be written.

    Source: iterative magnitude pruning with rewinding, Frankle et al. 2020
    (arXiv 1912.05671), algorithm 2.

    Example:
      >>> import numpy as np, tf_keras, keras_lottery as lottery
      >>> net = tf_keras.Sequential([tf_keras.layers.Dense(8, input_shape=(4,)), tf_keras.layers.Dense(2)])
      >>> net.compile("adam", "mse")
      >>> data = np.ones((64, 4), "float32"), np.ones((64, 2), "float32")
      >>> ticket = lottery.find_ticket(net, data, epochs=1, rounds=2, rate=0.5, verbose=0)  # doctest: +ELLIPSIS
      32 of ...
      >>> ticket.sparsity
      0.75
    """
    if rate is None and (rounds is None or final_sparsity is None):
        rate = 0.2
    if rounds is None and final_sparsity is None:
        raise LotteryError("how far to prune is open: give rounds, for example rounds=10, or final_sparsity.")
    sparsities = [0.0, *round_sparsities(rounds, rate, final_sparsity)]
    rewind = check_rewind(rewind)
    if isinstance(epochs, bool) or epochs != int(epochs) or epochs < 1:
        raise LotteryError(f"epochs={epochs!r} is impossible: give a whole number from 1 up.")
    model = _ready(model, scope)
    engine = pruning.engine(model)
    scope = scope or engine.settings(model)[1]
    engine.set_seed(seed)
    train = _dataset(train, seed)
    steps = _steps(train)
    check_steps(model, rewind, None)
    if steps is not None:
        check_rewind(rewind, steps * epochs)
    info = {"rewind": "init" if rewind == 0 else rewind, "scope": scope, "seed": seed, **(info or {})}
    if run_dir is not None:
        config = {
            "sparsities": sparsities[1:],
            "epochs": epochs,
            "steps": steps,
            "architecture": hashlib.sha256(json.dumps(engine.architecture(model), sort_keys=True).encode()).hexdigest(),
            "masks": list(engine.masks(model)),
            "compiled": engine.compiled(model),
            **info,
        }
        run_dir = runs.open_run(run_dir, config)

    state = _State(model, rewind, scope, run_dir)
    for number in range(state.finished, len(sparsities)):
        if number:
            state.rewinder.boundary(sparsities[number])
            state.keep_rewind_point()
        start = engine.values(model)
        if verbose:
            print(f"round {number} of {len(sparsities) - 1}, {sparsities[number]:.1%} sparse", flush=True)
        history = fit(
            model,
            train,
            validation_data,
            epochs=epochs,
            backup=run_dir and run_dir / runs.BACKUP,
            label=f"round {number}",
            callbacks=[*callbacks, RewindCallback(state.rewinder, state.keep_rewind_point)],
            verbose=verbose,
        )
        if rewind not in ("trained", "lr") and state.rewinder.point is None:
            raise LotteryError(
                f"rewind={rewind}: the first round ended before that step: give an earlier one or more epochs."
            )
        state.records.append({**record(model, number, history[-1]), "history": history})
        state.finish(number, from_model(model, start, state.records, info))
    return state.ticket


class _State:
    """The run as it stands: which rounds are finished, in memory and in the run folder."""

    def __init__(self, model, rewind, scope, run_dir):
        self.model = model
        self.engine = pruning.engine(model)
        self.run_dir = run_dir
        self.records = []
        self.ticket = None
        self.finished = runs.finished_rounds(run_dir) if run_dir else 0
        if run_dir:
            if not (run_dir / runs.INITIAL).exists():
                runs.write_arrays(run_dir / runs.INITIAL, self.engine.values(model))
            self.engine.load_state(model, runs.read_arrays(run_dir / runs.INITIAL)[0])
        self.rewinder = Rewinder(model, rewind, scope)
        if run_dir and (run_dir / runs.REWIND).exists():
            self.rewinder.point = runs.read_arrays(run_dir / runs.REWIND)[0]
        if self.finished:
            self.ticket = load_ticket(runs.round_folder(run_dir, self.finished - 1))
            self.records = list(self.ticket.rounds)
            self.engine.set_masks(model, self.ticket.masks)
            self.engine.load_state(model, self.ticket.trained)

    def finish(self, number, ticket):
        self.ticket = ticket
        if self.run_dir:
            ticket.save(runs.round_folder(self.run_dir, number))

    def keep_rewind_point(self):
        if self.run_dir and self.rewinder.point is not None and not (self.run_dir / runs.REWIND).exists():
            runs.write_arrays(self.run_dir / runs.REWIND, self.rewinder.point)


def _ready(model, scope):
    """The model to run the rounds on: wrapped, compiled, its optimizer fresh, its masks full."""
    engine = pruning.engine(model)
    if not pruning.is_wrapped(model):
        engine.check_compiled(model)
        wrapped = pruning.wrap(model, scope=scope or "global")
        engine.compile_like(wrapped, model)
        return wrapped
    engine.check_compiled(model)
    if not all(mask.all() for mask in engine.masks(model).values()):
        raise LotteryError(
            f"{model.name!r} is pruned already ({pruning.sparsity(model):.1%}): wrap the dense model anew."
        )
    if engine.steps_taken(model):
        engine.compile_like(model, model)
    return model


def _dataset(train, seed):
    if isinstance(train, (tuple, list)):
        if not 2 <= len(train) <= 3:
            raise LotteryError(f"train has {len(train)} parts: give a tf.data.Dataset, (x, y) or (x, y, sample_weight).")
        return batches(*train, batch_size=min(32, len(train[0])), seed=seed)
    if isinstance(train, np.ndarray) or not hasattr(train, "__iter__"):
        raise LotteryError(f"train is a {type(train).__name__}: give a tf.data.Dataset, (x, y) or (x, y, sample_weight).")
    return train


def _steps(train):
    try:
        steps = len(train)
    except TypeError:
        return None
    if steps == 0:
        raise LotteryError("train is empty: it holds no batch.")
    return steps

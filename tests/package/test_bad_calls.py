"""The wrong thing given to a function of the library: a LotteryError of one line that says what to give."""

import dataclasses
import functools

import by_name
import numpy as np
import pytest
from small import ENGINE, LOGITS, L, arrays, compiled, conv, dense, search
from world import KIND, keras

import keras_lottery as lottery
from keras_lottery.experiments import controls, optimizers
from keras_lottery.experiments.precision import set_precision
from keras_lottery.experiments.saliency import saliency_masks
from keras_lottery.experiments.stats import estimate
from keras_lottery.search import stability
from keras_lottery.tickets.ticket import from_model

pytestmark = pytest.mark.keras3

X, Y = arrays()


@functools.cache
def given():
    """(a wrapped, compiled model, its state, a ticket)."""
    model = compiled(lottery.wrap(dense()))
    ticket = search(rounds=1, epochs=1)
    return model, ENGINE.values(model), ticket


def scores(model=None, x=X, y=Y, criterion="snip", sparsity=0.5, loss=LOGITS):
    return saliency_masks(model or given()[0], x, y, criterion, sparsity, loss=loss)


def made(start, rounds=(), info=None):
    return from_model(given()[0], start, list(rounds) if isinstance(rounds, tuple) else rounds, info)


def trainings(**changes):
    how = {"orders": [(X, Y), (X, Y)], "validation": (X, Y), "epochs": 1, "verbose": 0, **changes}
    return stability.instability(given()[0], how.pop("orders"), how.pop("validation"), **how)


def study(**changes):
    return by_name.study(
        **{
            "source": "digits",
            "targets": (),
            "model": "lenet",
            "sparsities": (0.5,),
            "epochs": 1,
            "target_steps": 5,
            "recipe": {"optimizer": "sgd", "learning_rate": 0.1},
            "data": {},
            **changes,
        }
    )


def optimizer(*arguments, **named):
    return optimizers.make_optimizer(*arguments, keras=KIND, **named)


CALLS = {
    "from_model of a plain model": (lambda: from_model(dense(), {}, []), "has no masks: wrap it first"),
    "from_model of none": (lambda: from_model(None, {}, []), "expected a Keras model, got NoneType"),
    "from_model without a state": (lambda: made(None), "start is a NoneType: give the model's state"),
    "from_model of an empty state": (
        lambda: made({}),
        r"start is no state of this model: 'a/bias' is missing in the one, \(12,\) in the other",
    ),
    "from_model of a cut state": (
        lambda: made({path: value[:1] for path, value in given()[1].items()}),
        "'a/bias' is .1,. in the one",
    ),
    "from_model without rounds": (
        lambda: made(given()[1], None),
        "rounds is a NoneType: give a list of one record a round",
    ),
    "from_model with a number": (lambda: made(given()[1], info=3), "info is a int: give a dict of notes"),
    "saliency of a plain model": (lambda: scores(dense()), "has no masks: wrap it first"),
    "saliency by a name": (lambda: scores(loss="mse"), "loss is a str: give a function of"),
    "saliency by half a loss": (
        lambda: scores(loss=lambda y: y),
        r"loss is <lambda>\(y\): give a function of \(y, outputs\) that gives a number for each example",
    ),
    "a predicate of nothing": (
        lambda: lottery.wrap(dense(), skip=lambda: True),
        r"skip is <lambda>\(\): give a function of \(layer\) that gives True or False",
    ),
    "saliency without labels": (
        lambda: scores(y=None),
        "x and y are no batch: give as many labels as inputs",
    ),
    "saliency of few labels": (lambda: scores(y=Y[:4]), "x and y are no batch"),
    "saliency of nothing": (lambda: scores(x=X[:0], y=Y[:0]), "x and y are no batch"),
    "saliency at text": (lambda: scores(sparsity="half"), "sparsity='half' is impossible"),
    "saliency of another width": (lambda: scores(x=X[:, :3]), "the batch cannot be used: .*3"),
    "control of a list": (lambda: controls.check(["random"], given()[2]), "control=.'random'. is unknown"),
    "control of no ticket": (
        lambda: controls.check("random", "round_00"),
        "dense is a str: give the Ticket of round 0",
    ),
    "student of no ticket": (
        lambda: controls.student("shuffled", "round_01", None),
        "ticket is a str: give a Ticket",
    ),
    "student of a seed": (
        lambda: controls.student("shuffled", given()[2], None, seed=-1),
        "seed=-1 is impossible",
    ),
    "random mask of another net": (
        lambda: controls.random_mask(given()[2], other(), 0),
        "dense is of another net than the ticket: 'a/kernel' has",
    ),
    "one-shot of none": (
        lambda: controls.one_shot(None, 0.5),
        "dense is a NoneType: give the Ticket of round 0",
    ),
    "no steps": (
        lambda: optimizer("sgd", 0.1, "cosine"),
        "schedule='cosine' goes by the steps of one training: give steps=NUMBER",
    ),
    "no rates": (lambda: optimizer("sgd", [], "step", steps=9), r"learning_rate=\[\] holds no rate"),
    "rates of text": (
        lambda: optimizer("sgd", ["fast"], "step", steps=9),
        "learning_rate='fast' is impossible: give a number above 0",
    ),
    "rate past float32": (
        lambda: optimizer("sgd", 1e39),
        "learning_rate=1e.39 is impossible: give a number above 0 that float32 can hold",
    ),
    "rate that float32 takes for 0": (lambda: optimizer("sgd", 1e-50), "learning_rate=1e-50 is impossible"),
    "steps below 1": (lambda: optimizer("sgd", 0.1, "cosine", steps=-3), "steps=-3 is impossible"),
    "decay of text": (
        lambda: optimizer("sgd", 0.1, weight_decay="a"),
        "weight_decay='a' is impossible: give 0 or more",
    ),
    "precision": (lambda: set_precision("f8"), "precision='f8' is unknown"),
    "load a number": (
        lambda: lottery.load_ticket(3),
        "3 is no path: give a ticket's folder or its name as text",
    ),
    "load a name too long": (lambda: lottery.load_ticket("a" * 5000), "is no path that a file can have"),
    "save to none": (lambda: given()[2].save(None), "None is no path: give a folder's name as text"),
    "save to a null byte": (lambda: given()[2].save("a\0b"), "is no path that a file can have"),
    "run_dir with a null byte": (lambda: search(run_dir="a\0b"), "is no path that a file can have"),
    "budget of 5000 digits": (lambda: search(budget="9" * 5000), r"budget='9+\.\.\.9+' is impossible"),
    "rewind past all digits": (
        lambda: search(rewind=10**5000),
        "rewind=a value of type int is past the first round",
    ),
    "weights of NaN": (
        lambda: search(train=(X, Y, np.full(96, np.nan))),
        "96 sample_weight of train are no numbers",
    ),
    "weights of text": (
        lambda: search(train=(X, Y, np.full(96, "a"))),
        "the sample_weight of train are text",
    ),
    "text for a net": (
        lambda: search(train=(X.astype(str), Y)),
        "train gives text, and the model takes float32: give numbers",
    ),
    "two labels an example": (lambda: search(train=(X, np.stack([Y, Y], 1))), "the data cannot be used: .*2"),
    "one order": (lambda: trainings(orders=[(X, Y)]), "orders is .*: give the data of two trainings"),
    "no validation": (
        lambda: trainings(validation=None),
        "validation is None: give data to measure errors on",
    ),
    "epochs of text": (lambda: trainings(epochs="a"), "epochs='a' is impossible"),
    "a barrier between nothing": (
        lambda: stability.barrier(given()[0], {}, {}, (X, Y), (X, Y)),
        "a is no state of this model: 'a/kernel' has another",
    ),
    "an estimate of text": (lambda: estimate(["a"]), "values is .'a'.: give a list of numbers"),
    "a study of one sparsity": (lambda: study(sparsities=0.5), "sparsities=0.5 is impossible: give a list"),
    "a study of falling sparsities": (
        lambda: study(sparsities=(0.9, 0.8)),
        r"sparsities=\[0.9, 0.8\]: give rising sparsities",
    ),
    "a study of all seeds": (
        lambda: study(seeds=10**9),
        "seeds=1000000000 is impossible: give a whole number from 1 to 10000",
    ),
    "a study of a number": (lambda: study(controls=(3,)), "control='3' is unknown"),
    "a summary of what is not built": (
        lambda: lottery.summary(keras.Sequential([L.Dense(3)])),
        "is not built",
    ),
    "the sparsity of what is not built": (
        lambda: lottery.sparsity(keras.Sequential([L.Dense(3)])),
        "is not built",
    ),
}


def other():
    """A ticket of another net."""
    model = compiled(lottery.wrap(conv()))
    return from_model(model, ENGINE.values(model), [])


@pytest.mark.parametrize("name", CALLS)
def test_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, said = CALLS[name]
    with pytest.raises(lottery.LotteryError, match=said) as error:
        call()
    assert "\n" not in str(error.value) and len(str(error.value)) < 600
    assert not list(tmp_path.iterdir())


def test_what_is_right_passes():
    model, state, ticket = given()
    assert made(state).weights is state and dataclasses.replace(ticket).sparsity == 0.5
    assert sum(mask.sum() for mask in scores().values()) == 108
    assert controls.random_mask(ticket, ticket, 1).sparsity == ticket.sparsity

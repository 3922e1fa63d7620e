"""The recipe of a training: what is chosen for which net, what the user and a ticket say first, and what is
said of a training that went badly."""

import dataclasses
import functools
import re
import warnings

import by_name
import numpy as np
import pytest
from small import L, command, compiled, conv, dense, pruned_ticket, search
from world import KIND, array, keras, skip_unless

import keras_lottery as lottery
from keras_lottery import engines, models
from keras_lottery.config import DataConfig, Recipe
from keras_lottery.core.errors import LotteryError
from keras_lottery.experiments import recipes, remarks
from keras_lottery.experiments.optimizers import make_optimizer

pytestmark = pytest.mark.keras3
FULL = Recipe("nesterov", 0.02, "constant", 1e-4, 0.0)
TICKET = Recipe("adam", 0.003, "cosine", 1e-5, 0.2)


def plain(depth):
    """A net without BatchNorm of so many layers with kernels."""
    return keras.Sequential([L.Input((8,)), *(L.Dense(4, "relu") for _ in range(depth))])


def changed(model):
    """The model, with weights that are not those of the start."""
    for variable in engines.of(model).variables().values():
        variable.assign(array(variable) + np.float32(0.1))
    return model


def normalised(depth):
    """A net with BatchNorm of so many layers with kernels."""
    return keras.Sequential([L.Input((8,)), L.BatchNormalization(), *plain(depth).layers])


@pytest.mark.parametrize(
    "model, kind",
    [
        (lambda: models.build("lenet", (8, 8, 1), 10, width=0.1, keras=KIND), "a new net without BatchNorm"),
        (lambda: plain(recipes.DEEP), "a new, deep net without BatchNorm"),
        (lambda: models.build("resnet8", (8, 8, 1), 10, keras=KIND), "a new net with BatchNorm"),
        (lambda: lottery.wrap(conv(), verbose=False), "a new net with BatchNorm"),
        (lambda: changed(conv()), "a pretrained net with BatchNorm"),
        (lambda: changed(plain(recipes.DEEP)), "a pretrained net without BatchNorm"),
    ],
)
def test_the_kind_of_a_net_decides_what_is_chosen(model, kind):
    net = model()
    assert recipes.kind_of(net) == kind
    found, source = recipes.settled(Recipe(), net)
    optimizer, rate = next(iter(recipes.RATES[kind].items()))
    assert found == Recipe(optimizer, rate, "cosine", 0.0, recipes.WARMUP)
    assert set(source.values()) == {f"chosen for {kind}"}


def test_few_steps_want_larger_steps():
    few, many = recipes.FEW - 1, recipes.FEW
    assert recipes.kind_of(conv(), steps=many) == recipes.kind_of(conv()) == "a new net with BatchNorm"
    assert recipes.kind_of(conv(), steps=few) == "a new net with BatchNorm and few steps"
    deep = normalised(recipes.DEEP_WITH_BATCH_NORM)
    assert recipes.kind_of(deep, steps=few) == "a new, deep net with BatchNorm and few steps"
    assert recipes.kind_of(changed(conv()), steps=few) == "a pretrained net with BatchNorm"
    assert recipes.kind_of(dense(), steps=few) == "a new net without BatchNorm"


def test_whoever_calls_may_know_whether_a_net_is_pretrained():
    """As a transfer does: the weights of a rewind point are not those of the start."""
    assert recipes.kind_of(changed(conv()), pretrained=False) == "a new net with BatchNorm"


@pytest.mark.parametrize(
    "start, rewind, pretrained",
    [
        ("trained", 7, True),
        ("random", "lr", False),
        ("rewind", "lr", True),
        ("rewind", "finetune", True),
        ("rewind", "trained", True),
        ("rewind", 7, False),
        ("rewind", "init", None),
    ],
)
def test_weights_that_were_trained_to_the_end_are_a_pretrained_nets(start, rewind, pretrained):
    ticket = dataclasses.replace(pruned_ticket(conv()), settings={"rewind": rewind})
    assert recipes.pretrained(ticket, start) is pretrained


def test_a_ticket_that_starts_from_its_trained_weights_is_a_pretrained_net():
    ticket = pruned_ticket(conv())
    assert recipes.pretrained(dataclasses.replace(ticket, trained=ticket.weights), "rewind") is True


def test_what_the_user_gives_stays_and_the_rest_goes_with_it():
    def settled(*given):
        return recipes.settled(Recipe(*given), dense())[0]

    assert settled(*FULL.entries().values()) == FULL
    rates = recipes.RATES["a new net without BatchNorm"]
    assert settled("sgd") == Recipe("sgd", rates["sgd"], "cosine", 0.0, recipes.WARMUP)
    assert settled("nesterov").learning_rate == rates["sgd"]
    assert settled("lion").learning_rate == pytest.approx(rates["adam"] / 10)
    # A rate alone is that of the optimizer whose own is nearest, and has no warm-up.
    assert settled(None, 0.1) == Recipe("sgd", 0.1, "cosine", 0.0, 0.0)
    assert settled(None, 0.0005) == Recipe("adam", 0.0005, "cosine", 0.0, 0.0)
    assert settled(None, [0.1, 0.01]) == Recipe("sgd", [0.1, 0.01], "step", 0.0, 0.0)
    assert settled(None, None, "constant").warmup == 0.0
    assert settled(None, None, None, 1e-4, 0.3).warmup == 0.3


def test_a_tickets_recipe_comes_before_what_is_chosen_and_after_what_the_user_gives():
    def settled(*given, noted=TICKET):
        return recipes.settled(Recipe(*given), dense(), noted)

    found, source = settled()
    assert found == TICKET and set(source.values()) == {"the ticket's"}
    found, source = settled("adam", 0.01)
    assert found == dataclasses.replace(TICKET, learning_rate=0.01)
    assert (source["learning_rate"], source["schedule"]) == ("as given", "the ticket's")
    assert settled("sgd")[0] == recipes.settled(Recipe("sgd"), dense())[0], "a rate is one optimizer's"
    assert settled(None, None, "constant")[0] == Recipe("adam", 0.003, "constant", 1e-5, 0.0)
    assert settled(None, [0.1, 0.01])[0].schedule == "step"
    stepped = Recipe("sgd", [0.1, 0.01], "step")
    assert settled(None, None, "cosine", noted=stepped)[0] == Recipe("sgd", 0.1, "cosine", 0.0, 0.0)


def optimizers():
    of = keras.optimizers
    return {
        "a cosine with warm-up": (make_optimizer(steps=100, keras=KIND, **TICKET.entries()), TICKET),
        "a cosine": (
            make_optimizer("nesterov", 0.1, "cosine", 100, 1e-4, keras=KIND),
            Recipe("nesterov", 0.1, "cosine", 1e-4),
        ),
        "scaled": (
            (of if KIND == "keras" else keras.mixed_precision).LossScaleOptimizer(of.Adam(0.01)),
            Recipe("adam", 0.01, "constant", 0.0),
        ),
        "another momentum": (of.SGD(0.1), None),
        "another schedule": (of.Adam(of.schedules.ExponentialDecay(0.1, 10, 0.5)), None),
        "another optimizer": (of.Adagrad(0.1), None),
    }


@pytest.mark.quick("another schedule", "another optimizer")
@pytest.mark.parametrize("name", optimizers())
def test_a_ticket_of_a_model_that_was_compiled_by_hand_has_its_recipe_too(name):
    optimizer, told = optimizers()[name]
    found = search(compiled(dense(), optimizer), epochs=1, rounds=1)
    assert recipes.noted(found) == told


@functools.cache
def ticket():
    return search(epochs=1, rounds=1)


@pytest.mark.parametrize(
    "told, found",
    [
        (TICKET.told(), TICKET),
        ({"optimizer": "adam", "learning_rate": 0.1, "more": 1}, Recipe("adam", 0.1)),
        ({"learning_rate": -1}, None),
        ({"schedule": ["cosine"]}, None),
        ("secret", None),
        (None, None),
    ],
)
def test_the_notes_of_a_ticket_may_hold_anything(told, found):
    assert recipes.noted(dataclasses.replace(ticket(), info={"recipe": told})) == found


def test_values_that_contradict_each_other():
    rates = [0.1, 0.01]
    for given in ((None, rates, "cosine"), (None, None, "step", None, 0.1), (None, rates, None, None, 0.1)):
        with pytest.raises(LotteryError, match="is for schedule=|are for schedule="):
            Recipe(*given)


def test_results_of_runs_without_a_warm_up_are_as_they_were_before_there_was_one():
    assert list(FULL.told()) == ["optimizer", "learning_rate", "schedule", "weight_decay"]
    assert TICKET.told()["warmup"] == 0.2


@pytest.mark.parametrize("end", [0.0, 0.01])
def test_a_warm_up_rises_to_the_rate_and_a_cosine_falls_from_it(end):
    how = {"schedule": "cosine", "steps": 100, "warmup": 0.2, "keras": KIND, "end": end}
    schedule = make_optimizer("sgd", 0.5, **how)._learning_rate
    rates = [float(array(schedule(step))) for step in (0, 10, 20, 60, 100)]
    halfway = 0.5 / 21 + 0.5 * (0.5 - 0.5 / 21)
    assert rates == pytest.approx([0.5 / 21, halfway, 0.5, 0.5 * (1 + end) / 2, 0.5 * end], abs=1e-6)


@pytest.mark.parametrize("images, size", [(1, 16), (700, 16), (1_300, 32), (4_500, 64), (10**6, 128)])
def test_the_batch_leaves_some_steps_an_epoch(images, size):
    assert DataConfig().images_a_step(images) == size
    assert DataConfig(batch_size=7).images_a_step(images) == 7


def history(*accuracies, stop=400, **last):
    """Logs of epochs with these training and validation accuracies."""
    ends = np.linspace(0, stop, len(accuracies) + 1).astype(int)
    found = [
        {"accuracy": accuracy, "val_accuracy": accuracy, "start": int(start), "stop": int(end)}
        for accuracy, start, end in zip(accuracies, ends, ends[1:])
    ]
    return [*found[:-1], {**found[-1], **last}]


@skip_unless("tf_keras", reason="the data are TensorFlow's")
@pytest.mark.parametrize(
    "logs, said",
    [
        (history(0.5, 0.9), None),
        (history(0.9), None),
        (history(0.1, 0.11), "no better than guessing .*a tenth of the learning_rate"),
        (history(0.6, 0.9, val_accuracy=0.1), "though 90.0% were right in training: BatchNorm"),
        (history(0.1, 0.9), "the first epoch learned nothing: 10.0% right.*warmup=0.2"),
        (history(0.5, 0.9, stop=20), None),
        (history(0.2, 0.4, stop=20), "20 steps are few .*40.0% right. Give epochs=10 "),
        (
            history(0.1, 0.1, stop=50),
            "50 steps are few .*10.0% right, no better than .* Give epochs=4 ",
        ),
        ([{"loss": 1.0, "start": 0, "stop": 3}], None),
        ([], None),
    ],
)
def test_what_is_said_after_a_training(logs, said):
    loaded = lottery.data.load("digits")
    line = remarks.remark(logs, loaded)
    assert line is None if said is None else re.search(said, line) and "\n" not in line
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        remarks.say([{"control": "random", "history": logs}], loaded)
    assert [str(one.message) for one in found] == ([f"random: {line}"] if said else [])


QUICK = dict(precision="float32", strategy="none", backend=KIND, verbose=0, seed=0, epochs=1)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The result of a search whose recipe nobody says."""
    data = {"name": "digits", "classes": [0, 1, 2, 3, 4]}
    folder = tmp_path_factory.mktemp("recipes") / "run"
    how = dict(model="lenet", width=0.1, rounds=1, rate=0.5)
    return by_name.find(dataset=data, run_dir=folder, **how, **QUICK)


@pytest.mark.matrix
@skip_unless("tf_keras", reason="the jobs are the same on each Keras")
def test_a_search_keeps_what_was_chosen_in_its_result_and_its_tickets(found):
    chosen = recipes.settled(Recipe(), models.build("lenet", (8, 8, 1), 5))[0]
    ticket = lottery.load_ticket(found["ticket"])
    assert found["recipe"] == ticket.info["recipe"] == chosen.told()
    assert found["data"]["batch_size"] == ticket.info["data"]["batch_size"] == 16


@pytest.mark.matrix
@skip_unless("tf_keras", reason="the jobs are the same on each Keras")
def test_a_transfer_takes_the_tickets_recipe_and_what_the_user_says_wins(found, tmp_path):
    from apps import transfer_ticket

    def carried(name, *flags):
        given = [f"--ticket={found['ticket']}", "--dataset=digits", "--classes=5,6,7", "--epochs=1"]
        more = ["--precision=float32", "--backend=tf_keras", f"--run_dir={tmp_path / name}"]
        code, out, err = command(transfer_ticket, *given, *more, *flags)
        assert code == 0, err
        return re.search("^recipe: .*$", out, re.M)[0]

    told = found["recipe"]
    assert carried("as").startswith(f"recipe: --optimizer=adam --learning_rate={told['learning_rate']:g} ")
    assert carried("as").endswith("; the ticket's; --batch_size chosen for 391 images")
    line = carried("own", "--learning_rate=0.01", "--batch_size=32")
    assert "--learning_rate=0.01 " in line and "--batch_size=32; " in line
    assert "--learning_rate, --batch_size as given" in line


@skip_unless("tf_keras", reason="the jobs are the same on each Keras")
def test_a_study_settles_one_recipe_and_batch_for_all_of_its_runs(tmp_path, capsys):
    given = by_name.study(
        source="digits",
        targets=("digits",),
        source_classes=(0, 1, 2, 3, 4, 5),
        target_classes=(6, 7, 8, 9),
        target_learning_rate=0.005,
        model="lenet",
        sparsities=(0.5,),
        seeds=1,
        epochs=1,
        backend="tf_keras",
        precision="float32",
    )
    study, _, tasks = lottery.study.prepare(given, tmp_path)
    assert study.data.batch_size == 16 and None not in study.recipe.entries().values()
    assert {task.arguments["data"].batch_size for task in tasks} == {16}
    on_target = dataclasses.replace(study.recipe, learning_rate=0.005)
    assert {task.arguments["recipe"].learning_rate for task in tasks} == {study.recipe.learning_rate, 0.005}
    assert on_target in [task.arguments["recipe"] for task in tasks]
    assert capsys.readouterr().out.count("recipe: --optimizer=adam --learning_rate=") == 1

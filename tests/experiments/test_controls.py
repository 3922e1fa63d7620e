"""Each control is what its line says: its counts, its weights, and what it is trained with."""

import dataclasses

import by_name
import numpy as np
import pytest
from small import ENGINE, arrays, bits, compiled, conv, dense, search, state_of
from world import WORLD, keras, runs_on, skip_unless

import keras_lottery as lottery
from keras_lottery import engines
from keras_lottery.core import files
from keras_lottery.core.masking import prune, random
from keras_lottery.experiments import controls
from keras_lottery.experiments.gradual import GradualPruning
from keras_lottery.experiments.optimizers import classifier_loss
from keras_lottery.experiments.saliency import CRITERIA, saliency_masks
from keras_lottery.tickets.ticket import from_model
from keras_lottery.training import resumable, run_folder

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
RECIPE = dict(optimizer="adam", learning_rate=0.01)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """(ticket, dense ticket) of a search."""
    folder = tmp_path_factory.mktemp("search") / "run"
    ticket = search(run_dir=folder, rewind=3)
    return ticket, lottery.load_ticket(run_folder.round_folder(folder, 0))


def kept(masks):
    return {path: int(mask.sum()) for path, mask in masks.items()}


def zero_where_pruned(ticket):
    return all((ticket.weights[path][~mask] == 0).all() for path, mask in ticket.masks.items())


def test_shuffled_keeps_counts_and_values_but_not_places(found):
    ticket, _ = found
    other = controls.shuffled(ticket, seed=1)
    assert kept(other.masks) == kept(ticket.masks) and zero_where_pruned(other)
    for path, mask in ticket.masks.items():
        assert (other.masks[path] != mask).any()
        assert sorted(other.weights[path].ravel()) == sorted(ticket.weights[path].ravel())
        assert (other.weights[path][other.masks[path]] != 0).all()
    assert (
        bits(controls.shuffled(ticket, 1).masks)
        == bits(other.masks)
        != bits(controls.shuffled(ticket, 2).masks)
    )


def test_random_keeps_counts_over_the_dense_rewind_weights(found):
    ticket, dense_ticket = found
    other = controls.random_mask(ticket, dense_ticket, seed=1)
    assert kept(other.masks) == kept(ticket.masks) and zero_where_pruned(other)
    for path, mask in other.masks.items():
        assert (other.weights[path][mask] == dense_ticket.weights[path][mask]).all()


def test_random_rescaled_is_random_with_outputs_of_the_dense_scale(found):
    ticket, dense_ticket = found
    plain, other = (
        controls.masks_and_start(name, ticket, dense_ticket, 1)[0] for name in ("random", "random-rescaled")
    )
    assert bits(plain.masks) == bits(other.masks) and plain.weights.keys() == other.weights.keys()
    for path, value in plain.weights.items():
        share = other.masks[path].mean() if path in other.masks else 1
        assert (
            other.weights[path] == pytest.approx(value / np.sqrt(share), rel=1e-6)
            and other.weights[path].dtype == value.dtype
        )


def test_a_random_mask_gives_logits_near_0_in_a_deep_net_without_batch_norm_and_a_rescaled_one_does_not():
    layers = [keras.layers.Dense(100, "relu", kernel_initializer="he_normal") for _ in range(6)]
    keras.utils.set_random_seed(0)
    net = lottery.wrap(keras.Sequential([keras.layers.Input((100,)), *layers, keras.layers.Dense(10)]))
    net.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    x = np.random.default_rng(0).normal(size=(64, 100)).astype("float32")
    dense_ticket = from_model(net, engines.of(net).values(), [])
    ticket = dataclasses.replace(
        dense_ticket,
        masks=random(
            {
                path: np.arange(mask.size).reshape(mask.shape) < 0.1 * mask.size
                for path, mask in dense_ticket.masks.items()
            },
            0,
        ),
    )

    def spread(name):
        return float(np.std(controls.student(name, ticket, dense_ticket).predict(x, verbose=0)))

    whole = float(np.std(dense_ticket.model("rewind").predict(x, verbose=0)))
    assert spread("random") < 0.01 * whole and 0.4 < spread("random-rescaled") / whole < 2


def test_random_erk_keeps_as_many_in_all_and_more_of_small_layers(found):
    ticket, dense_ticket = found
    other = controls.masks_and_start("random-erk", ticket, dense_ticket, 1)[0]
    assert sum(kept(other.masks).values()) == sum(kept(ticket.masks).values()) and zero_where_pruned(other)
    assert all(kept(other.masks).values())
    for path, mask in other.masks.items():
        assert other.weights[path][mask] == pytest.approx(
            dense_ticket.weights[path][mask] / np.sqrt(mask.mean()), rel=1e-6
        )


def test_one_shot_prunes_the_trained_weights_once_and_rewinds(found):
    ticket, dense_ticket = found
    turned = {path: value[::-1].copy() for path, value in dense_ticket.trained.items()}  # far from its start
    dense_ticket = dataclasses.replace(dense_ticket, trained=turned)
    other = controls.one_shot(dense_ticket, ticket.sparsity)
    magnitudes = np.concatenate([np.abs(dense_ticket.trained[path]).ravel() for path in ticket.masks])
    places = np.concatenate([mask.ravel() for mask in other.masks.values()])
    assert (
        places.sum() == sum(kept(ticket.masks).values())
        and magnitudes[places].min() >= magnitudes[~places].max()
    )
    for path, mask in other.masks.items():
        assert (other.weights[path][mask] == dense_ticket.weights[path][mask]).all()


def test_late_reset_is_the_mask_over_the_dense_trained_weights(found):
    ticket, dense_ticket = found
    model = controls.student("late-reset", ticket, dense_ticket)
    for path, mask in ticket.masks.items():
        assert (state_of(model)[path] == np.where(mask, dense_ticket.trained[path], 0)).all()


@pytest.mark.matrix
@pytest.mark.quick("ticket", "random-erk", "shuffled", "one-shot", "snip", "gradual", "dense-transferred")
@pytest.mark.parametrize("control", controls.CONTROLS)
def test_control_is_built_with_its_own_head_or_a_new_one(found, control):
    ticket, dense_ticket = found
    for classes in (None, 5):
        model = controls.student(control, ticket, dense_ticket, num_classes=classes, seed=3)
        assert model.output_shape[-1] == (classes or 3)
        pruned_later = control in (*controls.ON_TARGET, *controls.DENSE, *controls.ON_SOURCE)
        assert lottery.sparsity(model) == (0 if pruned_later else ticket.sparsity)


def test_control_without_the_dense_weights_says_what_is_missing(found):
    for control in ("random", "one-shot", "late-reset", "dense-transferred"):
        with pytest.raises(lottery.LotteryError, match="round_00"):
            controls.check(control, None)
    for control in ("ticket", "trained", "reinit", "shuffled"):
        controls.check(control, None)
    with pytest.raises(lottery.LotteryError, match="Did you mean 'shuffled'"):
        controls.check("shufled", None)


@pytest.mark.parametrize("control", [*controls.ON_TARGET, "dense-scratch", "dense-longer"])
def test_a_control_that_is_drawn_anew_takes_the_net_of_the_ticket_alone(found, control):
    ticket, dense_ticket = found

    def made(dense):
        keras.utils.set_random_seed(3)
        return controls.student(control, ticket, dense, num_classes=5, seed=3)

    alone, beside = made(None), made(dense_ticket)
    assert lottery.sparsity(alone) == 0 and all(mask.all() for mask in lottery.masks(alone).values())
    for one, other in zip(alone.get_weights(), beside.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def smooth():
    """Differentiable everywhere, with BatchNorm and a loss of its own."""
    model = keras.Sequential(
        [
            keras.layers.Input((8,)),
            keras.layers.Dense(6, "tanh", name="a", kernel_regularizer=keras.regularizers.L2(0.01)),
            keras.layers.BatchNormalization(name="bn"),
            keras.layers.Dense(5, "tanh", name="b"),
            keras.layers.Dense(3, name="head"),
        ]
    )
    return lottery.wrap(model)


def test_gradient_and_its_change_are_those_of_small_steps():
    model, (x, y) = smooth(), arrays(classes=3)
    plain, paths = lottery.strip(model), list(lottery.masks(model))
    before = bits(state_of(model))
    slope, change = ENGINE.gradients(plain, paths, x, y, LOSS)
    start = ENGINE.values(plain)
    way = {path: slope[path] / np.sqrt(sum((s**2).sum() for s in slope.values())) for path in paths}

    def at(step):
        ENGINE.load_state(plain, {**start, **{path: start[path] + step * way[path] for path in paths}})
        return ENGINE.gradients(plain, paths, x, y, LOSS)[0]

    there, back = at(1e-2), at(-1e-2)
    norm = np.sqrt(sum((s**2).sum() for s in slope.values()))
    for path in paths:
        np.testing.assert_allclose(
            (there[path] - back[path]) / 2e-2 * norm, change[path], atol=0.02 * np.abs(change[path]).max()
        )
    assert bits(state_of(model)) == before


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_snip_keeps_the_largest_products_and_grasp_what_feeds_the_gradient(scope):
    model = lottery.wrap(dense(), scope=scope)
    x, y = arrays()
    paths, full, values = list(lottery.masks(model)), lottery.masks(model), state_of(model)
    slope, _ = ENGINE.gradients(lottery.strip(model), paths, x, y, LOSS)
    found = saliency_masks(model, x, y, "snip", 0.7, loss=LOSS)
    assert bits(found) == bits(prune({p: np.abs(values[p] * slope[p]) for p in paths}, full, 0.7, scope))
    _, change = ENGINE.gradients(
        lottery.strip(model), paths, x, y, lambda targets, outputs: LOSS(targets, outputs / 200)
    )
    found = saliency_masks(model, x, y, "grasp", 0.7, loss=LOSS)
    assert bits(found) == bits(prune({p: values[p] * change[p] for p in paths}, full, 0.7, scope))
    assert bits(lottery.masks(model)) == bits(full) and bits(state_of(model)) == bits(values)


@skip_unless("tf_keras", reason="TF-MOT is the other side")
def test_gradual_is_the_decay_of_tfmot():
    import tensorflow_model_optimization as tfmot

    ours, theirs = (
        GradualPruning(0.9, end=700, begin=100, every=50),
        tfmot.sparsity.keras.PolynomialDecay(0.0, 0.9, 100, 700, frequency=50),
    )
    for step in range(100, 700, 50):
        assert bool(theirs(step)[0]) and ours.sparsity(step) == pytest.approx(
            float(theirs(step)[1]), abs=1e-6
        )
    assert ours.sparsity(700) == ours.sparsity(9000) == 0.9


def test_gradual_ends_at_its_sparsity_and_never_lets_a_weight_come_back():
    model = compiled(lottery.wrap(dense()))
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(lottery.masks(self.model))

    model.fit(
        *arrays(),
        batch_size=8,
        epochs=2,
        verbose=0,
        callbacks=[GradualPruning(0.75, end=18, every=4), Watch()],
    )
    with pytest.raises(lottery.LotteryError, match="is pruned already"):
        model.fit(*arrays(), verbose=0, callbacks=[GradualPruning(0.9, end=18)])
    for before, after in zip(seen, seen[1:]):
        assert all((after[path] <= before[path]).all() for path in after)
    assert lottery.sparsity(model) == 0.75 and all(
        (state_of(model)[path][~mask] == 0).all() for path, mask in lottery.masks(model).items()
    )


@pytest.mark.matrix
def test_gradual_goes_on_after_a_kill(tmp_path):
    class Killed(Exception):
        pass

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise Killed

    def train(backup, *others):
        keras.utils.set_random_seed(0)
        model = compiled(lottery.wrap(dense()))
        data = ENGINE.batches(*arrays(), batch_size=16, seed=0)
        resumable.fit(
            model,
            data,
            epochs=4,
            kept=resumable.Kept(backup),
            callbacks=[GradualPruning(0.75, end=20, every=3), *others],
            verbose=0,
        )
        return model

    whole = train(tmp_path / "whole")
    with pytest.raises(Killed):
        train(tmp_path / "cut", Kill())
    for again in (train(tmp_path / "cut"), train(tmp_path / "cut")):  # the second finds all epochs done
        assert bits(lottery.masks(again)) == bits(lottery.masks(whole)) and bits(state_of(again)) == bits(
            state_of(whole)
        )


@pytest.mark.matrix
@pytest.mark.parametrize("steps", [5, 8])
def test_gradual_counts_steps_and_not_executions(steps):
    model = lottery.wrap(dense())
    model = compiled(model, "sgd", steps_per_execution=steps)
    model.fit(*arrays(), batch_size=8, epochs=2, verbose=0, callbacks=[GradualPruning(0.75, end=18, every=4)])
    assert lottery.sparsity(model) == 0.75


def test_finetune_goes_on_where_the_rate_ended(tmp_path):
    """The optimizer is not reset: its steps go on, and a decay that has ended stays at its end."""
    decay = keras.optimizers.schedules.PolynomialDecay(0.1, 6, 0.001)
    model = compiled(lottery.wrap(dense()), keras.optimizers.SGD(decay))
    ticket = search(model, rewind="finetune", epochs=2)
    assert int(model.optimizer.iterations) == 18  # 3 trainings of 2 epochs of 3 steps
    assert float(np.max(np.abs(ticket.trained["a/kernel"] - ticket.weights["a/kernel"]))) < 0.02
    start = ticket.weights["a/kernel"][ticket.masks["a/kernel"]]
    assert (start != 0).all()


@skip_unless("tf_keras", reason="tf.distribute's strategies")
@pytest.mark.parametrize("criterion", CRITERIA)
def test_masks_from_gradients_are_the_same_under_two_replicas(criterion):
    import tensorflow as tf

    x, y = arrays()
    plain = dense()
    loss = classifier_loss(plain, reduction="none")
    alone = saliency_masks(lottery.wrap(plain), x, y, criterion, 0.7, loss=loss)
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = lottery.wrap(plain)
        assert bits(saliency_masks(model, x, y, criterion, 0.7, loss=loss)) == bits(alone)


@pytest.mark.matrix
@pytest.mark.skipif(not runs_on("tf_keras", "jax"), reason="one of each Keras")
def test_a_control_is_the_same_when_it_is_asked_for_later(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = dict(name="digits", train_split="train[:30%]", batch_size=64)
    search(compiled(conv(classes=10)), lottery.data.load(**small).train, run_dir="run", epochs=1, rewind=1)

    def run(folder, *controls):
        return by_name.transfer(
            ticket="run/round_02",
            controls=controls,
            run_dir=folder,
            epochs=1,
            dataset=small,
            recipe=RECIPE,
            seed=1,
            precision="float32",
            strategy="none",
            backend=WORLD,
            verbose=0,
        )["rows"]

    at_once = run("at_once", "snip")
    run("later")
    assert run("later", "snip") == at_once


@pytest.mark.matrix
@pytest.mark.skipif(not runs_on("tf_keras", "jax"), reason="one of each Keras")
def test_train_control_on_source_and_target(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = dict(name="digits", train_split="train[:30%]", batch_size=64)
    data = lottery.data.load(**small, classes=[0, 1, 2, 3, 4])
    search(compiled(conv()), data.train, run_dir="run", epochs=1, rewind=1)
    ticket = lottery.load_ticket("run/round_02")
    for on, classes, names in (
        ("source", [0, 1, 2, 3, 4], ["snip", "gradual"]),
        ("target", [5, 6, 7], ["grasp", "gradual", "dense-scratch"]),
    ):
        for control in names:
            result = by_name.train_control(
                control=control,
                on=on,
                ticket="run/round_02",
                dense="run/round_00",
                sparsity=ticket.sparsity,
                epochs=2,
                recipe=RECIPE,
                dataset=dict(**small, classes=classes),
                seed=1,
                precision="float32",
                strategy="none",
                backend=WORLD,
                run_dir=f"{on}-{control}",
                verbose=0,
            )
            [row] = result["rows"]
            assert row["sparsity"] == pytest.approx(
                0 if control in controls.DENSE else ticket.sparsity, abs=0.01
            ), (control, on)
            assert 1 <= row["epoch"] <= 2 and (on == "target" or row["epoch"] == 2)
            assert files.read_json(f"{on}-{control}/result.json") == result

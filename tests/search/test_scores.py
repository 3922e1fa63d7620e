"""What a weight is kept for: each score by its definition, functions of the user's, and what scores do to a
run."""

import functools

import numpy as np
import pytest
from small import ENGINE, LOGITS, L, arrays, bits, compiled, conv, dense, everything, mirrored, noisy, search
from world import EAGER, keras, matrix_on, set_policy, skip_unless

import keras_lottery as lottery
from keras_lottery.config.search import SCORES
from keras_lottery.core.counts import pruned_count
from keras_lottery.core.masking import prune
from keras_lottery.experiments import controls
from keras_lottery.search.measured import BATCHES

pytestmark = pytest.mark.engine

X, Y = arrays(examples=128)
SIZES = {"a/kernel": 96, "b/kernel": 120}  # of dense() and noisy()


def movement(path, weight, state):
    return weight**2 - state.start[path] ** 2


def wanda(path, weight, state):
    importance = np.abs(weight) * state.inputs[path]
    of_outputs = importance.reshape(-1, weight.shape[-1])
    return of_outputs.argsort(0).argsort(0).reshape(weight.shape)


class Seen:
    """Keeps what it was called with, and scores by magnitude."""

    def __init__(self, look=lambda path, state: None):
        self.look, self.calls = look, []

    def __call__(self, path, weight, state):
        self.calls.append((state.round, state.step, path, weight.copy(), self.look(path, state)))
        return np.abs(weight)


def net(make=dense, optimizer="adam", seed=5, **how):
    keras.backend.clear_session()  # so that layers have the same names
    keras.utils.set_random_seed(seed)
    return compiled(make(), optimizer, run_eagerly=EAGER, **how)


def linear(bias=False, activation=None):
    return keras.Sequential(
        [
            L.Input((8,)),
            L.Dense(6, "relu" if bias else None, use_bias=bias, bias_initializer="ones", name="a"),
            L.Dense(3, activation, use_bias=bias, bias_initializer="ones", name="head"),
        ]
    )


def first_epoch(*data):
    """The batches of the first epoch, as arrays."""
    train = ENGINE.batches(*data, batch_size=32, seed=0)
    ENGINE.set_epoch(train, 0)
    return (
        [tuple(np.asarray(part) for part in train[n]) for n in range(len(train))]
        if hasattr(train, "__getitem__")
        else [tuple(np.asarray(part) for part in batch) for batch in train]
    )


def kept(masks):
    return {path: int(mask.sum()) for path, mask in masks.items()}


@matrix_on("tf_keras")
@pytest.mark.quick("taylor", "wanda")
@pytest.mark.parametrize("score", [*SCORES, movement, wanda])
def test_rounds_of_any_score_count_exactly_nest_and_train_the_same_dense_net(score, tmp_path):
    search(net(noisy), (X, Y), score=score, run_dir=tmp_path / "run", epochs=1)
    tickets = [lottery.load_ticket(tmp_path / "run" / f"round_{n:02d}") for n in range(3)]
    assert [sum(kept(ticket.masks).values()) for ticket in tickets] == [
        216 - pruned_count(216, share) for share in (0, 0.5, 0.75)
    ]
    for before, after in zip(tickets, tickets[1:]):
        assert all((mask <= before.masks[path]).all() for path, mask in after.masks.items())
    assert bits(tickets[0].trained) == dense_trained()
    told = tickets[-1].settings.get("score", "magnitude")
    assert told.split()[0] == (score if isinstance(score, str) else score.__name__)


@functools.cache
def dense_trained():
    """What the dense training of a search by magnitude ends with."""
    dense_net, data = net(noisy), (X, Y)
    seen = {}

    class End(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            seen.setdefault("trained", ENGINE.values(self.model))

    search(dense_net, data, epochs=1, rounds=1, callbacks=[End()])
    return bits(seen["trained"])


def test_gradients_are_those_of_the_loss_on_the_first_batches_of_the_first_epoch():
    targets = X @ np.random.default_rng(1).normal(size=(8, 3)).astype("float32")
    seen = Seen(lambda path, state: (state.gradient[path], state.squared_gradient[path]))
    model = net(linear, keras.optimizers.SGD(0.01), loss="mse", metrics=())
    how = dict(rounds=1, rate=0.5, epochs=2)
    ticket = search(model, (X, targets), score=seen, **how)
    probed, (round, step, path, weight, (mean, squares)) = seen.calls
    assert (round, step, path) == (1, 8, "a/kernel") and probed[:2] == (1, 0)
    head = np.asarray(ENGINE.values(model)["head/kernel"])  # a plain model stays as it is
    assert np.array_equal(probed[3], ENGINE.values(model)["a/kernel"])

    def gradient(x, y, kernel, head):
        return 2 / (len(x) * 3) * x.T @ (x @ kernel @ head - y) @ head.T

    batches = first_epoch(X, targets)
    assert len(batches) == 4 < BATCHES
    slopes = [gradient(x, y, probed[3], head) for x, y in batches]
    assert np.allclose(probed[4][0], np.mean(slopes, 0), atol=1e-5)
    assert np.allclose(probed[4][1], np.mean(np.square(slopes), 0), atol=1e-5)
    assert mean.shape == squares.shape == weight.shape and not np.allclose(mean, probed[4][0], atol=1e-3)
    taylor = search(model, (X, targets), score="taylor", **how)
    assert taylor.settings["score"] == "taylor" and "score" in ticket.settings
    expected = {path: np.abs(weight) * np.sqrt(squares)}
    assert bits(taylor.masks) == bits(prune(expected, {path: np.ones(weight.shape, bool)}, 0.5))


def test_what_flows_is_by_absolute_weights_and_past_the_last_activation():
    still = keras.optimizers.SGD(0.0)  # so that the weights stay what they are
    how = dict(score="synflow", rounds=1, rate=0.5, epochs=1)
    model = net(lambda: linear(bias=True), still)
    values = {path: np.abs(value) for path, value in ENGINE.values(model).items()}
    flow = np.ones((8, 1)) * values["head/kernel"].sum(1)  # every unit is above 0
    scores = {"a/kernel": values["a/kernel"] * flow}
    expected = bits(prune(scores, {"a/kernel": np.ones((8, 6), bool)}, 0.5))
    assert bits(search(model, (X, Y), **how).masks) == expected
    probabilities = net(lambda: linear(bias=True, activation="softmax"), keras.optimizers.SGD(0.0))
    assert bits(search(probabilities, (X, Y), **how).masks) == expected


@pytest.mark.parametrize(
    "last, scale, said",
    [
        (L.Softmax(), 1.0, "nothing flows through 'a/kernel', as where a Softmax layer"),
        (L.ReLU(), 1e20, "more flows through this net than float32 holds"),
    ],
    ids=["softmax", "large"],
)
def test_what_does_not_flow_is_told_before_training(last, scale, said):
    model = net(lambda: keras.Sequential([L.Input((8,)), *linear(bias=True).layers, L.Dense(3), last]))
    ENGINE.load_state(model, {path: scale * value for path, value in ENGINE.values(model).items()})
    with pytest.raises(lottery.LotteryError, match=said):
        search(model, (X, Y), score="synflow")


def test_input_norms_are_over_examples_and_positions():
    rng = np.random.default_rng(3)
    images = rng.normal(size=(64, 5, 5, 2)).astype("float32")
    seen = Seen(lambda path, state: state.inputs[path])
    model = net(lambda: conv((5, 5, 2)))
    search(model, (images, np.arange(64) % 5), score=seen, rounds=1, epochs=1)
    found = {path: norms for round, step, path, _, norms in seen.calls[:2]}
    batches = np.concatenate([x for x, _ in first_epoch(images, np.arange(64) % 5)])
    assert found["c1/kernel"].shape == (1, 1, 2, 1) and found["c2/kernel"].shape == (1, 1, 6, 1)
    assert np.allclose(found["c1/kernel"].ravel(), np.sqrt(np.square(batches).sum((0, 1, 2))), rtol=1e-4)


@matrix_on("tf_keras")
def test_random_scores_follow_seed_and_round():
    how = dict(score="random", rounds=2, epochs=1)
    one, again, other = (search(net(), (X, Y), seed=seed, **how) for seed in (1, 1, 2))
    assert everything(one) == everything(again) and bits(one.masks) != bits(other.masks)
    half = lottery.find_ticket(
        net(), (X, Y), score="random", rounds=1, rate=0.75, epochs=1, verbose=0, seed=1
    )
    assert bits(half.masks) != bits(one.masks), "the second round draws anew"


@pytest.mark.parametrize(
    "score, said",
    [
        ("snip", "score='snip' is unknown: choose 'magnitude', 'random', 'taylor', 'synflow'"),
        (
            lambda path, weight, state: weight[:-1],
            "gives float32 of shape .7, 12. for 'a/kernel', whose shape",
        ),
        (lambda path, weight, state: None, "gives a NoneType for 'a/kernel'"),
        (lambda path, weight, state: weight.astype("complex64"), "gives complex64 .* a real number"),
        (lambda path, weight, state: state.inputs["head/bias"], "asks for the inputs of 'head/bias'"),
    ],
)
def test_what_is_no_score_is_refused_before_training(score, said):
    class Never(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise AssertionError("trained")

    with pytest.raises(lottery.LotteryError, match=said):
        search(net(), (X, Y), score=score, callbacks=[Never()])


@skip_unless("tf_keras", reason="Keras 3 wraps no such model")
def test_a_model_that_trains_in_its_own_way_has_no_loss_to_score_by():
    class Own(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    inputs = L.Input((8,))
    model = compiled(Own(inputs, L.Dense(3)(L.Dense(6, name="a")(inputs))), run_eagerly=EAGER)
    with pytest.raises(lottery.LotteryError, match="Own has its own train_step, so that no score can tell"):
        search(model, (X, Y), score="taylor")
    assert search(model, (X, Y), score="synflow", epochs=1, rounds=1).sparsity == 0.5


@matrix_on("tf_keras")
def test_a_score_that_is_no_number_is_refused_when_it_comes():
    def diverges(path, weight, state):
        return weight / state.step  # 0 before anything is trained

    def writes(path, weight, state):
        weight[:] = 0
        return weight

    with np.errstate(divide="ignore", invalid="ignore"):
        assert search(net(), (X, Y), score=diverges, epochs=1).sparsity == 0.75
    with pytest.raises(
        lottery.LotteryError, match="'<lambda>' gives 96 NaN or infinite numbers for 'a/kernel'"
    ):
        search(net(), (X, Y), score=lambda path, weight, state: np.full(weight.shape, np.inf), epochs=1)
    with pytest.raises(ValueError, match="read-only"):
        search(net(), (X, Y), score=writes)


@matrix_on("tf_keras")
@pytest.mark.quick("movement")
@pytest.mark.parametrize("score", ["taylor", movement])
def test_a_killed_search_goes_on_to_the_same_ticket(score, tmp_path):
    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if lottery.sparsity(self.model) > 0.7:
                raise KeyboardInterrupt

    how = dict(score=score, rewind=3, epochs=1)
    whole = search(net(noisy), (X, Y), **how)
    with pytest.raises(KeyboardInterrupt):
        search(net(noisy), (X, Y), run_dir=tmp_path / "run", callbacks=[Kill()], **how)
    other = net(noisy, seed=6)  # the run folder knows what the search began with
    assert everything(search(other, (X, Y), run_dir=tmp_path / "run", **how)) == everything(whole)


@matrix_on("tf_keras")
def test_a_run_folder_tells_functions_apart(tmp_path):
    def power(exponent):
        def to_a_power(path, weight, state):
            return np.abs(weight) ** exponent

        return to_a_power

    how = dict(epochs=1, rounds=1, run_dir=tmp_path / "run")
    first = search(net(), (X, Y), score=power(2.0), **how)
    assert first.settings["score"].startswith("to_a_power ")
    assert everything(search(net(), (X, Y), score=power(2.0), **how)) == everything(first)
    with pytest.raises(lottery.LotteryError, match="score was .to_a_power .*, now .to_a_power "):
        search(net(), (X, Y), score=power(3.0), **how)
    with pytest.raises(lottery.LotteryError, match="score was .to_a_power .*, now missing"):
        search(net(), (X, Y), **how)
    live = keras.optimizers.SGD(0.5)

    def of_its_own(path, weight, state):
        return np.abs(weight) * float(np.asarray(live.learning_rate))

    with pytest.raises(lottery.LotteryError, match="score looks at 'live', a SGD, .* or leave run_dir out"):
        search(net(), (X, Y), score=of_its_own, epochs=1, run_dir=tmp_path / "other")
    assert not (tmp_path / "other").exists()


@matrix_on("tf_keras")
def test_early_bird_looks_at_scores_without_a_trace():
    how = dict(score="taylor", epochs=3, rounds=1)
    plain, watched = (search(net(noisy), (X, Y), early_bird=share, **how) for share in (None, 1e-9))
    assert bits(plain.trained) == bits(watched.trained) and bits(plain.masks) == bits(watched.masks)


@pytest.mark.quick("taylor")
@pytest.mark.parametrize("score", ["taylor", "synflow"])
def test_scores_go_with_channels_blocks_rates_and_erk(score):

    def wide():
        return keras.Sequential([L.Input((8,)), L.Dense(16, "relu"), L.Dense(16, "relu"), L.Dense(3)])

    model = net(wide)
    model = compiled(lottery.wrap(model, block=4, scope="erk", verbose=False), run_eagerly=EAGER)
    ticket = search(model, (X, Y), score=score, rounds=1, rate=0.6, epochs=1, structured=True)
    sizes = [mask.size for mask in ticket.masks.values()]
    assert sum(kept(ticket.masks).values()) == sum(sizes) - pruned_count(sum(sizes), 0.6)
    shares = [mask.mean() for mask in ticket.masks.values()]
    assert shares[0] > 1.1 * shares[1], "the smaller layer stays denser"
    assert ticket.settings["scope"] == "erk" and ticket.settings["blocks"]
    for mask in ticket.masks.values():
        of_blocks = mask.reshape(-1, 4, 16).sum(1)
        assert ((of_blocks > 0) & (of_blocks < 4)).sum() <= 1
    with pytest.raises(lottery.LotteryError, match="structured rounds add scores up"):
        search(net(), (X, Y), score=lambda path, weight, state: weight, epochs=1, structured=True)


@matrix_on("tf_keras")
def test_rates_of_single_layers_and_what_is_pruned_once_beside_them(tmp_path):
    how = dict(rounds=2, rate=0.5, epochs=1)
    ticket = search(net(), (X, Y), layer_rates={"a": 0.3}, run_dir=tmp_path / "run", **how)
    of_a = SIZES["a/kernel"] - pruned_count(SIZES["a/kernel"], 1 - 0.7**2)
    assert kept(ticket.masks) == {"a/kernel": of_a, "b/kernel": 54 - of_a}
    first, full = (lottery.load_ticket(tmp_path / "run" / f"round_{n:02d}") for n in (1, 0))
    assert kept(first.masks) == {"a/kernel": 67, "b/kernel": 108 - 67}
    assert ticket.settings["layer_rates"] == {"a": 0.3}
    once, _ = controls.masks_and_start("one-shot", ticket, full)
    assert kept(once.masks) == kept(ticket.masks)
    with pytest.raises(lottery.LotteryError, match="layer_rates.a was 0.3, now 0.35"):
        search(net(), (X, Y), layer_rates={"a": 0.35}, run_dir=tmp_path / "run", **how)
    for rates, said in [
        ({"c": 0.1}, "'c' names no weight that is pruned"),
        ({"a": 2}, "layer_rates of 'a'=2 is impossible"),
        ([0.1], "layer_rates=.0.1. is not understood"),
        ({"a": 0.01}, "75.00% zeros, at which 54 weights stay .* keep 94, and the others have 120"),
    ]:
        with pytest.raises(lottery.LotteryError, match=said):
            search(net(), (X, Y), layer_rates=rates, **how)


@pytest.mark.matrix
@skip_unless("tf_keras", "tensorflow", reason="tf.distribute")
def test_replicas_are_scored_as_one_device_is():
    """On what begins as it ends, since a step of replicas is rounded otherwise."""
    how = dict(score="taylor", rounds=1, rate=0.5, epochs=1)
    one = net(linear, keras.optimizers.SGD(0.0))
    expected = search(one, (X, Y), **how)
    with mirrored().scope():
        model = compiled(linear(), keras.optimizers.SGD(0.0))
    ENGINE.load_state(model, ENGINE.values(one))
    assert bits(search(model, (X, Y), **how).masks) == bits(expected.masks)


def test_scores_are_in_float32_and_of_several_outputs():
    set_policy("mixed_bfloat16")
    inputs = L.Input((8,))
    x = L.Dense(12, "relu", name="a")(inputs)
    model = keras.Model(inputs, [L.Dense(3, name="p", dtype="float32")(x), L.Dense(2, name="q")(x)])
    seen = Seen(lambda path, state: state.gradient[path])
    search(
        compiled(model, loss=[LOGITS, LOGITS], metrics=(), run_eagerly=EAGER),
        (X, [Y, Y % 2], np.linspace(0, 1, len(X)).astype("float32")),
        score=seen,
        epochs=1,
        rounds=1,
    )
    assert seen.calls[0][4].dtype == "float32" and np.count_nonzero(seen.calls[0][4]) > 80

"""New weights are drawn for what trains; what is frozen or was adapted to data stays the ticket's in every
control, at every start."""

import warnings

import numpy as np
import pytest
from small import ENGINE, LOGITS, L, bits, compiled, state_of
from world import keras, matrix_on

import keras_lottery as lottery
from keras_lottery.experiments import controls

pytestmark = pytest.mark.keras3

CLASSES = 3
KEPT = {
    "scale/mean",
    "scale/variance",
    "backbone/conv/kernel",
    "backbone/conv/bias",
    "backbone/norm/gamma",
    "backbone/norm/beta",
    "backbone/norm/moving_mean",
    "backbone/norm/moving_variance",
    "fixed/kernel",
    "fixed/bias",
    "table/rows",
}


@keras.saving.register_keras_serializable("tests")
class Table(L.Layer):
    """Adds a constant that a weight holds."""

    def build(self, shape):
        self.rows = self.add_weight(
            name="rows", shape=(shape[-1],), initializer="random_normal", trainable=False
        )
        super().build(shape)

    def call(self, x):
        return x + self.rows


def pretrained():
    """Adapted Normalization, a frozen backbone with BatchNorm, a constant, a frozen layer; the rest trains, a
    BatchNorm with it."""
    image = L.Input((8, 8, 1))
    x = L.BatchNormalization(name="norm")(L.Conv2D(4, 3, name="conv")(image))
    backbone = keras.Model(image, L.GlobalAveragePooling2D()(L.ReLU()(x)), name="backbone")
    given = L.Input((8, 8, 1))
    scale = L.Normalization(axis=-1, name="scale")
    x = Table(name="table")(L.Dense(6, name="fixed")(backbone(scale(given))))
    x = L.BatchNormalization(name="own_norm")(L.Dense(10, name="own")(x))
    model = keras.Model(given, L.Dense(CLASSES, name="head")(L.Dense(10, "relu", name="own2")(x)))
    scale.adapt(images()[0] * 3 + 1)
    rng = np.random.default_rng(1)
    state = {
        path: rng.uniform(0.5, 2, value.shape).astype(value.dtype) if "norm/" in path else value
        for path, value in state_of(model).items()
    }
    ENGINE.load_state(model, state)
    backbone.trainable = model.get_layer("fixed").trainable = False
    return model


def images(classes=CLASSES):
    rng = np.random.default_rng(0)
    return rng.normal(size=(96, 8, 8, 1)).astype("float32"), np.arange(96) % classes


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search") / "run"
    given = pretrained()
    ticket = lottery.find_ticket(
        compiled(given), images(), epochs=1, rounds=1, rate=0.5, rewind=1, verbose=0, run_dir=folder
    )
    return (
        state_of(given),
        lottery.load_ticket(folder / "round_01"),
        lottery.load_ticket(folder / "round_00"),
        ticket,
    )


@matrix_on("tf_keras")
@pytest.mark.quick("ticket-5", "reinit-5", "shuffled-5", "snip-5", "dense-scratch-5", "reinit-None")
@pytest.mark.parametrize(
    "control, classes",
    [
        *((control, 5) for control in controls.CONTROLS),
        ("ticket", None),
        ("reinit", None),
        ("dense-scratch", None),
    ],
)
def test_every_control_keeps_what_is_frozen_or_adapted(found, control, classes):
    given, ticket, dense, _ = found
    keras.utils.set_random_seed(7)
    student = controls.student(control, ticket, dense, num_classes=classes)
    state = state_of(student)
    assert bits({path: state[path] for path in KEPT}) == bits({path: given[path] for path in KEPT})
    own = {path: value for path, value in state.items() if path not in KEPT and not path.startswith("head/")}
    drawn = control in ("reinit", *controls.ON_TARGET, "dense-scratch", "dense-longer")
    for path, value in own.items():
        if path.endswith("kernel"):
            mask = value != 0
            left = value[mask] * (np.sqrt(mask.mean()) if control in ("random-rescaled", "random-erk") else 1)
            known = np.ravel([dense.weights[path], dense.trained[path], ticket.trained[path]])
            assert np.isclose(left[:, None], known, rtol=1e-6, atol=0).any() != drawn, path
    if drawn:  # a BatchNorm that trains begins anew
        assert (
            (own["own_norm/moving_mean"] == 0).all()
            and (own["own_norm/moving_variance"] == 1).all()
            and (own["own_norm/gamma"] == 1).all()
        )
    trained = [
        path
        for path, variable in ENGINE.variables(student).items()
        if any(variable is weight for weight in student.trainable_weights)
    ]
    assert not set(trained) & KEPT and len(trained) == 8
    if classes is None and control in (
        "dense-scratch",
        "reinit",
    ):  # it computes with them, and keeps them while it trains
        compiled(student, loss=LOGITS).fit(*images(), verbose=0)
        assert bits({path: state_of(student)[path] for path in KEPT}) == bits(
            {path: given[path] for path in KEPT}
        )


def test_what_is_kept_is_computed_with(found):
    """With the ticket's own weights loaded over newly drawn ones, the model computes what the ticket's
    does."""
    _, ticket, _, _ = found
    one, other = ticket.model("random"), ticket.model("rewind")
    ENGINE.load_state(
        one, {**state_of(one), **{path: value for path, value in state_of(other).items() if path not in KEPT}}
    )
    x = images()[0]
    np.testing.assert_array_equal(one.predict(x, verbose=0), other.predict(x, verbose=0))


@matrix_on("tf_keras")
def test_a_new_layer_that_is_frozen_is_told(found):
    model = pretrained()
    model.get_layer("head").trainable = False
    ticket = lottery.find_ticket(compiled(model), images(), epochs=1, rounds=1, rate=0.5, verbose=0)
    with pytest.warns(UserWarning, match="head/bias, head/kernel is newly drawn, and frozen"):
        lottery.transfer(ticket, num_classes=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        lottery.transfer(found[3], num_classes=4, start="random")

"""What is measured of a net on its test images, in one pass: Keras' figures, and those it does not have."""

import numpy as np
import pytest
import tensorflow as tf
import world
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss
from small import ENGINE, L, conv, mirrored
from world import KIND, WORLD, keras

import keras_lottery as lottery
from keras_lottery import data, engines
from keras_lottery.core.errors import LotteryError
from keras_lottery.experiments import metrics, optimizers


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", classes=[0, 1, 2, 3, 4], batch_size=32, train_split="train[:20%]")


def classifier(**head):
    model = keras.Sequential([L.Input((8, 8, 1)), L.Flatten(), L.Dense(16, "relu"), L.Dense(5, **head)])
    optimizers.compile_classifier(model, optimizers.make_optimizer("adam", 0.01, keras=KIND))
    return model


def trained(digits, **head):
    model = classifier(**head)
    model.fit(digits.train, epochs=4, verbose=0)
    return model


@pytest.mark.quick("float32-None", "float32-sigmoid", "mixed_bfloat16-softmax")
@pytest.mark.parametrize("head", [None, "softmax", "sigmoid"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_accuracy_and_loss_are_those_of_evaluate_for_logits_and_probabilities(digits, head, policy):
    world.set_policy(policy)
    model = trained(digits, activation=head, dtype="float32")
    loss, accuracy = model.evaluate(digits.test, verbose=0)
    row = metrics.measured(engines.of(model), digits)
    assert row["test_accuracy"] == accuracy and 0.5 < accuracy < 1
    if head != "sigmoid":  # of which tf_keras takes another loss
        assert row["test_loss"] == pytest.approx(loss, rel=1e-4)
    correct = metrics.correct_images(row)
    assert len(correct) == row["test_images"] == digits.sizes["test"]
    outputs = metrics.predictions(model, digits.test)
    assert (correct == (outputs.argmax(-1) == np.concatenate([y.numpy() for _, y in digits.test]))).all()


@pytest.mark.matrix
@pytest.mark.skipif(WORLD not in ("tf_keras", "tensorflow"), reason="tf.distribute")
def test_several_replicas_give_what_one_gives(digits):
    alone = trained(digits)
    row = metrics.measured(engines.of(alone), digits)
    with mirrored().scope():
        both = classifier()
        both.set_weights(alone.get_weights())
        row_of_both = metrics.measured(engines.of(both), digits)
        assert row_of_both["test_accuracy"] == both.evaluate(digits.test, verbose=0)[1]
    assert row_of_both["correct"] == row["correct"]
    assert row_of_both["calibration_error"] == pytest.approx(row["calibration_error"], abs=1e-5)


def test_the_test_images_are_passed_through_once(digits):
    """A data set of ours counts its passes as epochs."""
    model = trained(digits)
    data.set_epoch(digits.test, 0)
    metrics.measured(engines.of(model), digits)
    assert int(digits.test._lottery_epoch.lookup(tf.constant(0, tf.int64))) == 1


def test_where_outputs_do_not_come_together_accuracy_and_loss_are_left(digits, monkeypatch):
    model = trained(digits)
    loss, accuracy = model.evaluate(digits.test, verbose=0)
    whole = model.predict
    monkeypatch.setattr(model, "predict", lambda *given, **how: whole(*given, **how)[:-1], raising=False)
    with pytest.warns(UserWarning, match="only accuracy and loss are reported"):
        assert metrics.measured(engines.of(model), digits) == {"test_loss": loss, "test_accuracy": accuracy}


def test_calibration_error_by_hand():
    """Bins of 1/15 with their upper ends: 0.6 is in the ninth, 0.65 and 0.61 in the tenth, 1 in the last."""
    confidence, correct = np.array([0.6, 0.65, 0.61, 1.0]), np.array([True, True, False, True])
    assert metrics.calibration_error(confidence, correct) == pytest.approx((0.4 + abs(0.35 - 0.61) + 0) / 4)
    assert metrics.calibration_error(np.full(4, 0.75), np.array([True, True, True, False])) == 0
    assert metrics.calibration_error(np.ones(3), np.zeros(3, bool)) == 1
    assert np.isnan(metrics.calibration_error(np.array([np.nan]), np.array([True])))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(0, 2**32), st.sampled_from([0.1, 1, 2]))
def test_figures_are_those_of_their_definitions(count, seed, scale):
    rng = np.random.default_rng(seed)
    outputs, labels = (scale * rng.normal(size=(count, 4))).astype("float32"), rng.integers(0, 4, count)
    row = metrics.measure(outputs, labels, "abcd")
    shares = np.exp(outputs.astype("float64") - outputs.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    assert row["test_accuracy"] == pytest.approx(accuracy_score(labels, outputs.argmax(-1)), abs=1e-7)
    assert row["test_loss"] == pytest.approx(log_loss(labels, shares, labels=range(4)), abs=1e-6)
    of_bins = []
    for n in range(15):
        inside = (shares.max(-1) > n / 15) & (shares.max(-1) <= (n + 1) / 15)
        if inside.any():
            right = (outputs.argmax(-1) == labels)[inside].mean()
            of_bins.append(inside.mean() * abs(right - shares.max(-1)[inside].mean()))
    assert row["calibration_error"] == pytest.approx(sum(of_bins), abs=1e-9)
    for number, name in enumerate("abcd"):
        of = outputs.argmax(-1)[labels == number] == number
        assert row["class_accuracy"][name] == (pytest.approx(of.mean(), abs=1e-7) if len(of) else None)
    again = metrics.measure(shares, labels, "abcd", from_logits=False)
    assert again["test_loss"] == pytest.approx(row["test_loss"], abs=1e-5)


def test_an_output_that_is_no_number_is_not_right():
    outputs = np.array([[np.nan, np.nan], [2.0, 1.0], [1.0, np.nan]])
    row = metrics.measure(outputs, np.array([0, 0, 1]), "ab")
    assert metrics.correct_images(row).tolist() == [False, True, False]
    assert row["test_accuracy"] == pytest.approx(1 / 3) and np.isnan(row["test_loss"])


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_which_images_were_right_can_be_read_again(right):
    row = metrics.measure(np.eye(2)[np.array(right, int)], np.ones(len(right), int), "ab")
    assert metrics.correct_images(row).tolist() == right


@pytest.mark.parametrize(
    "change, said",
    [
        ({"correct": None}, "damaged"),
        ({"correct": "!"}, "damaged"),
        ({"test_images": "many"}, "damaged"),
        ({"test_images": 17}, "holds 1 bytes, and test_images=17 need 3"),
    ],
)
def test_damaged_bits_are_told(change, said):
    row = metrics.measure(np.eye(2), np.array([0, 1]), "ab")
    with pytest.raises(LotteryError, match=said):
        metrics.correct_images({**row, **change})
    with pytest.raises(LotteryError, match="no 'correct'"):
        metrics.correct_images({"test_accuracy": 0.5})


def test_what_is_left_of_a_net_is_told_where_its_layers_are_known():
    model = lottery.wrap(conv(), skip="c1")
    [(path, mask)] = lottery.masks(model).items()
    ENGINE.set_masks(model, {path: np.arange(mask.size).reshape(mask.shape) < 4})
    found = metrics.left(engines.of(model))
    assert found == {"effective_sparsity": 1 - 4 / 432, "multiply_adds": 64 * (54 + 4) + 40}
    first = L.Input((4, 3))
    attention = L.MultiHeadAttention(2, 2)(first, first)
    model = lottery.wrap(keras.Model(first, L.Dense(2)(L.Flatten()(L.Dense(3)(attention)))))
    with pytest.warns(
        UserWarning, match="effective_sparsity is not reported: what the layer .* passes on is not known"
    ):
        assert metrics.left(engines.of(model)) == {"effective_sparsity": None, "multiply_adds": None}

"""Classes that count more than others in every round of a search."""

import json
import re

import numpy as np
import pytest
from small import L, arrays, compiled, dense, search, state_of
from world import keras, matrix_on

import keras_lottery as lottery
from keras_lottery.core.errors import LotteryError

pytestmark = pytest.mark.engine
X, Y = arrays()


@matrix_on("tf_keras")
def test_they_count_as_sample_weights_do_in_every_round(tmp_path):
    keras.utils.set_random_seed(0)
    start = state_of(dense())

    def found(*weights, **arguments):
        model = dense()
        for variable, value in zip(model.variables, start.values()):
            variable.assign(value)
        return search(
            compiled(model), (X, Y, *weights), rewind=4, run_dir=tmp_path / str(len(weights)), **arguments
        )

    weights = np.array([0.25, 1.0, 4.0], "float32")
    by_class = found(class_weight={0: 0.25, np.int64(2): 4})
    by_sample = found(weights[Y])
    assert any((by_class.weights[path] != by_class.trained[path]).any() for path in by_class.masks)
    for path, value in by_class.trained.items():
        np.testing.assert_allclose(value, by_sample.trained[path], rtol=1e-4, atol=1e-5)
    assert by_class.settings["class_weight"] == [0.25, 1.0, 4.0] and "class_weight" not in by_sample.settings
    assert json.loads((tmp_path / "0" / "config.json").read_text())["class_weight"] == [0.25, 1.0, 4.0]
    with pytest.raises(LotteryError, match="class_weight"):
        found(class_weight={0: 0.5})


@pytest.mark.parametrize(
    "given, said",
    [
        ([1, 2, 3], "class_weight is [1, 2, 3]: give a dict of class numbers"),
        ({}, "class_weight is {}"),
        ("balanced", "class_weight is 'balanced': give a dict of class numbers and weights, such as {0: 1.0"),
        ({0: "2"}, "class_weight[0]='2' is text: give a number, 0 or more"),
        ({"cat": 2.0}, "class_weight names the class 'cat': the model's are the numbers 0 to 2"),
        ({3: 1.0}, "names the class 3"),
        ({0: -1}, "class_weight[0]=-1 is impossible: give 0 or more"),
        ({0: 0, 1: 0, 2: 0}, "class_weight is 0 for every class"),
    ],
)
def test_a_bad_one_gets_one_line(given, said):
    with pytest.raises(LotteryError, match=re.escape(said)):
        search(class_weight=given)


def test_several_outputs_have_no_classes_to_weigh():
    x = L.Input((8,))
    model = keras.Model(x, [L.Dense(3, name="a")(x), L.Dense(3, name="b")(x)])
    model.compile("adam", "mse")
    with pytest.raises(LotteryError, match="for a model of one output"):
        lottery.find_ticket(model, (X, [X[:, :3], X[:, :3]]), epochs=1, rounds=1, class_weight={0: 1})

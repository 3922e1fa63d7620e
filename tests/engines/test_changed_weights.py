"""What else changes a layer's weights, before and after a strip: freezing, quantizing, LoRA, other
variables."""

import numpy as np
import pytest
import world
import zoo
from world import array, keras, skip_unless
from zoo import Input, L

import keras_lottery as lottery

pytestmark = pytest.mark.engine

Model, Sequential = keras.Model, keras.Sequential


def net():
    """Dense layers, one of them in a model inside, and a head."""
    x = Input((8,))
    inner = Sequential([Input((12,)), L.Dense(10, name="b")], name="inner")
    return Model(x, L.Dense(3, name="head")(inner(L.Dense(12, "relu", name="a")(x))))


def pruned(sparsity=0.75):
    model = lottery.wrap(net())
    zoo.tighten(model, sparsity)
    return model


@pytest.mark.parametrize("wrapped", [True, False], ids=["wrapped", "stripped"])
@pytest.mark.parametrize("frozen", ["all", "a", "inner"])
def test_sparsity_of_frozen_weights(frozen, wrapped):
    model = pruned()
    expected = lottery.sparsity(model)
    model = model if wrapped else lottery.strip(model)
    (model if frozen == "all" else model.get_layer(frozen)).trainable = False
    assert lottery.sparsity(model) == expected == 0.75
    assert lottery.sparsity(lottery.strip(model)) == 0.75


def test_masks_hold_while_layers_are_frozen_and_again_trained():
    model = pruned()
    x, y = zoo.data(model)
    for trainable in (False, True):
        model.get_layer("a").trainable = trainable
        before = [array(variable) for variable in lottery.prunable(model).values()]
        model.compile("adam", "mse", run_eagerly=world.EAGER)
        model.train_on_batch(x, y)
        assert zoo.drift(model) == 0 and lottery.sparsity(model) == 0.75
        moved = [
            not np.array_equal(array(variable), old)
            for variable, old in zip(lottery.prunable(model).values(), before)
        ]
        assert moved == [trainable, True]


@skip_unless("keras", reason="tf_keras has no quantize")
@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_sparsity_of_quantized_kernels(mode, tmp_path):
    """Small weights are rounded to 0 as well."""
    model = lottery.strip(pruned())
    model.quantize(mode)
    found = lottery.sparsity(model)
    assert 0.75 <= found < 0.85 and (mode != "float8" or found == 0.75)
    model.save(tmp_path / "q.keras")
    assert lottery.sparsity(world.load_model(tmp_path / "q.keras")) == found


@skip_unless("keras", reason="tf_keras has neither")
@pytest.mark.parametrize("call", ["model", "layer", "policy", "lora", "conv", "einsum", "embedding"])
def test_new_weights_in_a_wrapped_model_are_refused(call):
    """They would train past the mask, and a file would hold others than the model."""
    if call in ("conv", "einsum", "embedding"):
        first, layer = {
            "conv": (Input((4, 4, 2)), L.Conv2D(3, 2, name="a")),
            "einsum": (Input((4,)), L.EinsumDense("bi,io->bo", (3,), name="a")),
            "embedding": (Input((4,)), L.Embedding(5, 3, name="a")),
        }[call]
        model = lottery.wrap(Model(first, L.Dense(2)(L.Flatten()(layer(first)))), include=L.Embedding)
    else:
        model = pruned()
    layer, before = model.get_layer("a"), model.get_weights()
    with pytest.raises(
        lottery.LotteryError,
        match=r"(the wrapped model|layer 'a').* has masks, which weights that (enable_lora|quantize) makes "
        ".*strip",
    ):
        if call == "model":
            model.quantize("int8")
        elif call == "layer":
            layer.quantize("int8")
        elif call == "policy":
            layer.dtype_policy = "int8_from_float32"
        else:
            layer.enable_lora(2)
    assert zoo.same(model.get_weights(), before)
    lottery.strip(model).get_layer("a").enable_lora(2)
    model.get_layer(model.layers[-1].name).enable_lora(2)  # which has no mask


@skip_unless("keras", reason="tf_keras has no LoRA")
def test_sparsity_under_lora_is_that_of_the_sum():
    model = lottery.strip(pruned())
    model.get_layer("a").enable_lora(2)
    assert lottery.sparsity(model) == 0.75
    x, y = zoo.data(model)
    model.compile("adam", "mse", run_eagerly=world.EAGER)
    for _ in range(2):
        model.train_on_batch(x, y)
    assert lottery.sparsity(model) < 0.6


@skip_unless("tf_keras", reason="Keras 3 itself refuses another variable in a built layer")
def test_another_variable_in_the_place_of_a_held_one():
    import tensorflow as tf

    model = pruned()
    layer = model.get_layer("a").layer
    layer.kernel = tf.Variable(tf.ones((8, 12)))
    for call in (lottery.masks, lottery.sparsity, lottery.strip):
        with pytest.raises(
            lottery.LotteryError,
            match="'kernel' of layer 'a' is another variable than the one that was wrapped",
        ):
            call(model)


@skip_unless("keras", reason="tf_keras takes it, and is asked above")
def test_keras_3_takes_no_other_variable():
    with pytest.raises((ValueError, AttributeError)):
        pruned().get_layer("a")._kernel = keras.Variable(np.ones((8, 12)))

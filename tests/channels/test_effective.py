"""Effective sparsity: a weight counts if an image reaches it and it reaches an output; zeros alone decide."""

import numpy as np
import pytest
import world
import zoo
from graphs import drawn
from hypothesis import given
from hypothesis import strategies as st
from world import KIND, array, keras
from zoo import ENGINE, Input, L, Model

import keras_lottery as lottery
from keras_lottery import models
from keras_lottery.channels.counts import multiply_adds_left
from keras_lottery.channels.effective import effective, effective_sparsity


def nest(x, body):
    inner = Input(x.shape[1:])
    return Model(inner, body(inner))


def same(x, filters=3, **settings):
    return L.Conv2D(filters, 3, padding="same", **settings)(x)


def residual(x):
    return L.Add()([x, same(x, x.shape[3])])


def twice(layer, x):
    return L.Concatenate()([layer(x), layer(L.LeakyReLU()(x))])


BLOCKS = {  # in which a change of any number shows, and what no image reaches is 0
    "conv": lambda x: L.LeakyReLU()(same(x)),
    "strided": lambda x: same(x, strides=2, activation="tanh"),
    "valid": lambda x: L.Conv2D(3, 2)(x) if min(x.shape[1:3]) > 1 else x,
    "dilated": lambda x: same(x, dilation_rate=2),
    "grouped": lambda x: L.Conv2D(4, 2, groups=2, padding="same")(L.Conv2D(4, 1)(x)),
    "depthwise": lambda x: L.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2)(x),
    "separable": lambda x: L.SeparableConv2D(3, 2, padding="same", activation="tanh")(x),
    "transposed": lambda x: L.Conv2DTranspose(2, 3, strides=2, padding="same")(x) if x.shape[1] < 4 else x,
    "transposed_valid": lambda x: L.Conv2DTranspose(2, 2)(x) if x.shape[1] < 4 else x,
    "norm": lambda x: L.BatchNormalization()(x),
    "residual": lambda x: residual(x),
    "two_residuals": lambda x: residual(residual(x)),
    "branches": lambda x: L.Concatenate()([L.Conv2D(2, 1)(x), L.AveragePooling2D(2, 1, padding="same")(x)]),
    "pool": lambda x: L.AveragePooling2D(2, padding="same")(x),
    "padded": lambda x: L.ZeroPadding2D(((1, 0), (0, 1)))(x) if x.shape[1] < 4 else x,
    "cropped": lambda x: L.Cropping2D(((1, 0), (0, 0)))(x) if x.shape[1] > 1 else x,
    "larger": lambda x: L.UpSampling2D((2, 1))(x) if x.shape[1] < 4 else x,
    "permuted": lambda x: L.Permute((2, 3, 1))(x),
    "columns": lambda x: L.Reshape((x.shape[1], 1, x.shape[2] * x.shape[3]))(x),
    "nested": lambda x: nest(x, lambda y: L.Conv2D(3, 2, padding="same")(y))(x),
    "shared": lambda x: twice(L.Conv2D(2, 1), x),
}
ENDS = {
    "flat": lambda x: L.Flatten()(x),
    "pooled": lambda x: L.GlobalAveragePooling2D()(x),
    "line": lambda x: L.Flatten()(
        L.Conv1D(2, 2, padding="causal", strides=2)(L.Reshape((-1, x.shape[3]))(x))
    ),
}


def net(*blocks, end="flat", sparsity=0.7, seed=0):
    """A net for 3x3 images of two channels with random weights, this share of them 0, and biases of 0."""
    keras.utils.set_random_seed(0)
    x = first = Input((3, 3, 2))
    for name in blocks:
        x = BLOCKS[name](x)
    x = L.Dense(3, "tanh")(ENDS[end](x))
    model, rng = Model(first, L.Dense(2, name="head")(x)), np.random.default_rng(seed)
    for variable in ENGINE.variables(model).values():
        if array(variable).ndim > 1:
            kernel = rng.normal(size=variable.shape) * (rng.random(variable.shape) > sparsity)
            variable.assign(kernel.astype("float32"))
    return model


def check(model, most=10):
    """Of each kernel, up to `most` weights are effective just where another value of it changes an output."""
    told, rng = effective(model), np.random.default_rng(1)
    assert told.keys() == lottery.prunable(model).keys()
    x = rng.normal(size=(4, *model.input_shape[1:])).astype("float32")
    compute = model.predict_on_batch if world.BACKEND == "jax" else lambda x: array(model(x))
    expected = np.array(compute(x))
    for path, variable in lottery.prunable(model).items():
        kernel = array(variable)
        for place in rng.permutation(np.argwhere(kernel))[:most]:
            changed = kernel.copy()
            changed[tuple(place)] += 1
            variable.assign(changed)
            assert (np.array(compute(x)) != expected).any() == told[path][tuple(place)], (path, place)
        variable.assign(kernel)
        assert (told[path] <= (kernel != 0)).all()


@drawn(2 if world.BACKEND == "jax" else 8)
@given(
    st.lists(st.sampled_from(sorted(BLOCKS)), min_size=1, max_size=3),
    st.sampled_from(sorted(ENDS)),
    st.sampled_from([0.5, 0.7, 0.85]),
    st.integers(0, 99),
)
def test_effective_weights_are_those_that_change_an_output(blocks, end, sparsity, seed):
    check(net(*blocks, end=end, sparsity=sparsity, seed=seed))


@pytest.mark.quick("grouped", "transposed_valid", "two_residuals", "dilated", "pool", "separable", "shared")
@pytest.mark.parametrize("block", ["grouped", "transposed"] if world.BACKEND == "jax" else sorted(BLOCKS))
def test_each_layer_passes_on_what_it_computes(block):
    check(net("conv", block, sparsity=0.6, seed=len(block)))


def dense(*kernels, **settings):
    layers = [L.Dense(len(kernel[0]), name=f"d{n}", **settings) for n, kernel in enumerate(kernels)]
    model = keras.Sequential([L.Input((len(kernels[0]),)), *layers])
    for layer, kernel in zip(model.layers, kernels):
        layer.kernel.assign(np.array(kernel, "float32"))
    return model


def test_dead_units_by_hand():
    """Of units a, b, c: nothing leads to b, which has a bias, and nothing leads on from c."""
    model = dense([[1, 0, 1], [1, 0, 0]], [[1, 0], [1, 1], [0, 0]], [[1], [1]])
    model.layers[0].bias.assign([0.0, 5.0, 0.0])
    told = effective(model)
    assert told["d0/kernel"].tolist() == [[True, False, False], [True, False, False]]
    assert told["d1/kernel"].tolist() == [[True, False], [False, False], [False, False]]
    assert effective_sparsity(model) == 1 - 3 / 12 > lottery.sparsity(model) == 1 - 6 / 12


@pytest.mark.quick("1e-38")
@pytest.mark.parametrize("tiny", [1e-38, 1e38])
def test_depth_and_size_of_weights_decide_nothing(tiny):
    """Neither 60 layers nor weights whose products are no numbers of float32 any more."""
    keras.utils.set_random_seed(0)
    x = first = Input((2,))
    for _ in range(60):
        x = L.Dense(2, use_bias=False)(x)
    model = Model(first, L.Dense(1)(x))
    for variable in ENGINE.variables(model).values():
        if array(variable).ndim > 1:
            variable.assign(np.full(variable.shape, tiny, "float32"))
    assert effective_sparsity(model) == 0


def test_a_position_that_meets_only_the_zeros_around_an_image_does_nothing():
    first = Input((1, 1, 2))
    model = Model(first, L.Dense(2)(L.Flatten()(same(first, 4))))
    assert effective_sparsity(model) == pytest.approx(8 / 9)  # of 3x3 the centre works


@pytest.mark.parametrize("layer", ["softmax", "norm", "max", "gate", "lowest"])
def test_what_mixes_or_chooses_passes_all_on(layer):
    first = Input((2, 2, 3))
    x = L.Conv2D(3, 1, name="c")(first)
    y = {
        "softmax": lambda: L.Softmax()(x),
        "norm": lambda: L.LayerNormalization()(x),
        "max": lambda: L.MaxPooling2D(2)(x),
        "lowest": lambda: L.Minimum()([x, x]),
        "gate": lambda: L.Multiply()([x, L.Conv2D(1, 1, activation="sigmoid")(x)]),
    }[layer]()
    model = Model(first, L.Dense(2)(L.GlobalMaxPooling2D()(y)))
    assert effective_sparsity(model) == 0
    model.layers[-1].kernel.assign(np.array([[1, 1], [0, 0], [0, 0]], "float32"))  # one channel is read
    left = effective(model)["c/kernel"].any(axis=(0, 1, 2))
    assert left.tolist() == ([True] * 3 if layer in ("softmax", "norm", "gate") else [True, False, False])


def test_of_a_wrapped_model_the_weights_with_masks_count_as_stripped():
    model = net("residual", "strided", sparsity=0)
    wrapped = lottery.wrap(model, skip="conv2d_1" if KIND == "tf_keras" else None)
    rng = np.random.default_rng(0)
    masks = {path: rng.random(mask.shape) < 0.2 for path, mask in lottery.masks(wrapped).items()}
    ENGINE.set_masks(wrapped, masks)
    told, plain = effective(wrapped), effective(lottery.strip(wrapped))
    assert told.keys() == masks.keys() and all((plain[path] == told[path]).all() for path in told)
    assert all((told[path] <= mask).all() for path, mask in masks.items())
    assert effective_sparsity(wrapped) >= lottery.sparsity(wrapped)


@pytest.mark.quick("resnet8", "mobilenet")
@pytest.mark.parametrize("name", ["resnet8"] if world.KERAS3 else ["conv6", "resnet8", "vgg19", "mobilenet"])
def test_builders_can_be_read_and_are_whole_while_dense(name):
    model = models.build(name, (32, 32, 3), 10, width=0.1, keras=KIND)
    assert effective_sparsity(model) == 0
    assert multiply_adds_left(model) == sum(row["multiply_adds"] for row in lottery.costs(model))


@pytest.mark.parametrize(
    "name, said",
    [("vit", "the layer '.*', a .*, passes on is not known"), ("subclassed", "functional or Sequential")],
)
def test_layers_that_cannot_be_read_are_named(name, said):
    if name in zoo.CASES:  # some are of one Keras
        with pytest.raises(lottery.LotteryError, match=said) as error:
            effective(zoo.CASES[name].build())
        assert "\n" not in str(error.value)


def test_open_image_sizes_are_told():
    first = Input((None, None, 3))
    with pytest.raises(lottery.LotteryError, match="has an open size"):
        effective(Model(first, L.Dense(2)(L.GlobalAveragePooling2D()(L.Conv2D(3, 3)(first)))))


def test_multiply_adds_left_follow_the_share_of_each_layer():
    """4x4 images: 16 positions x 72 weights, a quarter of them kept; then 8 x 10 weights once, all kept."""
    first = Input((4, 4, 2))
    x = L.Conv2D(4, 3, padding="same", name="c")(first)
    model = Model(first, L.Dense(10)(L.GlobalAveragePooling2D()(x)))
    kernel = np.zeros(72, "float32")
    kernel[:18] = 1
    model.get_layer("c").kernel.assign(kernel.reshape(3, 3, 2, 4))
    assert multiply_adds_left(model) == 16 * 18 + 40
    assert multiply_adds_left(lottery.wrap(model)) == 16 * 18 + 40


def test_multiply_adds_left_of_layers_that_are_not_known_are_none():
    first = Input((4, 3))
    assert multiply_adds_left(Model(first, L.Dense(2)(L.LSTM(3)(first)))) is None

"""A ticket's weights as arrays: with its zeros, and laid out so that PyTorch's layers compute the same."""

import dataclasses

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from small import L, dense, pruned_ticket, state_of
from world import array, keras

import keras_lottery as lottery

pytestmark = pytest.mark.keras3


def ticket_of(*layers, shape=(7, 6, 4), **wrap):
    return pruned_ticket(keras.Sequential([L.Input(shape), *layers]), 0.5, **wrap)


def test_the_layout_of_keras_is_the_state_with_its_zeros():
    ticket = pruned_ticket(dense())
    for start, state in (("rewind", ticket.weights), ("trained", ticket.trained)):
        found = ticket.numpy(start=start)
        assert found.keys() == state.keys() == state_of(ticket.model(start)).keys()
        for path, value in found.items():
            assert np.array_equal(value, state[path]) and value is not state[path]
    unmasked = {path: np.ones_like(value) for path, value in ticket.weights.items()}
    found = dataclasses.replace(ticket, weights=unmasked).numpy()
    assert all(np.array_equal(found[path] != 0, mask) for path, mask in ticket.masks.items())


def convolved(x, kernel, groups=1):
    """A convolution without padding as PyTorch defines it: (batch, in, h, w) and (out, in / groups, h, w)."""
    views = sliding_window_view(x, kernel.shape[2:], axis=(2, 3))  # batch, in, rows, columns, h, w
    views = np.split(views, groups, axis=1)
    kernels = np.split(kernel, groups)
    return np.concatenate([np.einsum("bixyhw,oihw->boxy", v, k) for v, k in zip(views, kernels)], axis=1)


def to_torch(x):
    return np.moveaxis(x, -1, 1)


CONVOLUTIONS = {  # name: (layer, groups)
    "Conv2D": (lambda: L.Conv2D(6, (3, 2), use_bias=False, name="c"), 1),
    "a grouped Conv2D": (lambda: L.Conv2D(6, (3, 2), groups=2, use_bias=False, name="c"), 2),
    "DepthwiseConv2D": (
        lambda: L.DepthwiseConv2D((3, 2), depth_multiplier=2, use_bias=False, name="c"),
        4,
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_in_the_layout_of_torch_computes_the_same(name):
    make, groups = CONVOLUTIONS[name]
    more = {"include": L.DepthwiseConv2D} if name == "DepthwiseConv2D" else {}
    ticket = ticket_of(make(), L.Flatten(), L.Dense(3, name="head"), **more)
    (path,) = ticket.masks
    kernel = ticket.numpy("torch")[path]
    assert (kernel == 0).mean() == pytest.approx(ticket.sparsity) and kernel.flags.c_contiguous
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 4)).astype("float32")
    y = to_torch(array(lottery.strip(ticket.model()).layers[0](x)))
    assert np.allclose(convolved(to_torch(x), kernel, groups), y, atol=1e-5)


def test_a_separable_convolution_is_two_of_torch():
    ticket = ticket_of(
        L.SeparableConv2D(5, 3, depth_multiplier=2, use_bias=False, name="s"), L.Flatten(), L.Dense(3)
    )
    found = ticket.numpy("torch")
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 4)).astype("float32")
    y = to_torch(array(lottery.strip(ticket.model()).layers[0](x)))
    depth = convolved(to_torch(x), found["s/depthwise_kernel"], groups=4)
    assert np.allclose(convolved(depth, found["s/pointwise_kernel"]), y, atol=1e-5)


def test_dense_layers_and_vectors():
    ticket = pruned_ticket(dense())
    found, own = ticket.numpy("torch", "trained"), ticket.numpy("keras", "trained")
    assert np.array_equal(found["a/kernel"], own["a/kernel"].T) and np.array_equal(
        found["a/bias"], own["a/bias"]
    )
    assert {path: (value == 0).sum() for path, value in found.items()} == {
        path: (value == 0).sum() for path, value in own.items()
    }


@pytest.mark.parametrize("sides", [1, 2, 3])
def test_transposed_convolutions_lead_from_inputs_to_outputs(sides):
    layer = getattr(L, f"Conv{sides}DTranspose")(6, (2, 3, 4)[:sides] if sides > 1 else 2, name="t")
    ticket = ticket_of(layer, L.Flatten(), L.Dense(3), shape=(5,) * sides + (4,))
    assert ticket.numpy("torch")["t/kernel"].shape == (4, 6, *(2, 3, 4)[:sides])


def test_what_torch_lays_out_otherwise_is_refused():
    ticket = ticket_of(L.GRU(5, name="gru"), L.Dense(3), shape=(6, 4))
    with pytest.raises(
        lottery.LotteryError, match="layout='torch': .*'gru/.*', of a GRU.*Take layout='keras'"
    ):
        ticket.numpy("torch")
    assert ticket.numpy("keras").keys() == ticket.weights.keys()


def test_what_is_unknown_is_refused():
    ticket = pruned_ticket(dense(), trained=False)
    for given, said in (
        ({"layout": "jax"}, "layout='jax' is unknown: choose 'keras', 'torch'"),
        ({"start": "random"}, "start='random' is unknown: choose 'rewind', 'trained'"),
        ({"start": "trained"}, "this ticket was saved without trained weights"),
    ):
        with pytest.raises(lottery.LotteryError, match=said):
            ticket.numpy(**given)


def test_with_torch_itself():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 4)).astype("float32")
    for layer, call in (
        (L.Conv2D(6, 3, name="c"), torch.nn.functional.conv2d),
        (L.Conv2DTranspose(6, 3, strides=2, name="c"), torch.nn.functional.conv_transpose2d),
        (L.DepthwiseConv2D(3, depth_multiplier=2, name="c"), torch.nn.functional.conv2d),
    ):
        ticket = ticket_of(layer, L.Flatten(), L.Dense(3, name="head"), include="c")
        found = {path: torch.tensor(value) for path, value in ticket.numpy("torch").items()}
        (path,) = ticket.masks
        more = {"groups": 4} if "Depthwise" in type(layer).__name__ else {}
        more |= {"stride": 2} if "Transpose" in type(layer).__name__ else {}
        y = call(torch.tensor(to_torch(x).copy()), found[path], found["c/bias"], **more)
        expected = to_torch(array(lottery.strip(ticket.model()).layers[0](x)))
        assert np.allclose(y.numpy(), expected, atol=1e-5)

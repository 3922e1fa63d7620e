"""How large the inputs of layers are, on some batches of data, for both engines."""

import contextlib

import numpy as np


def input_norms(handle, paths, batches):
    """The Euclidean norm of each input of a kernel, over examples and, of a convolution, positions.

    Args:
      handle: that of a plain model, which is called in inference mode.
      paths: of weights. Of those that are no kernel of a Dense layer or of a convolution without groups there
        is no norm.
      batches: [(x, ...)], what the model takes, as arrays.

    Returns:
      {path: array}, of the kernel's shape with 1 for all sides except that of the inputs.
    """
    layers = handle.keras.layers
    kinds = layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D
    transposed = layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose
    owners = {
        path: owners[-1]
        for path, _, name, owners in handle.owned_variables()
        if path in paths and name == "kernel" and isinstance(owners[-1], kinds)
        if not isinstance(owners[-1], transposed) and getattr(owners[-1], "groups", 1) == 1
    }
    squares = dict.fromkeys(owners, 0.0)

    def see(path, x):
        x = handle.array(x).astype("float64")
        channels = 1 if getattr(owners[path], "data_format", "") == "channels_first" else x.ndim - 1
        squares[path] = squares[path] + np.square(x).sum(tuple(n for n in range(x.ndim) if n != channels))

    with contextlib.ExitStack() as watched:
        for path, layer in owners.items():
            watched.enter_context(_watched(layer, lambda x, path=path: see(path, x)))
        for x, *_ in batches:
            handle.model(x, training=False)
    shapes = {path: variable.shape for path, variable in handle.variables().items()}
    return {
        path: np.sqrt(of).astype("float32").reshape((*(1 for _ in shapes[path][:-2]), -1, 1))
        for path, of in squares.items()
        if np.ndim(of)
    }


@contextlib.contextmanager
def _watched(layer, see):
    """In the block, `see` gets the input of each call of a layer."""
    call = layer.call

    def watched(x, *args, **kwargs):
        see(x)
        return call(x, *args, **kwargs)

    layer.call = watched
    try:
        yield
    finally:
        del layer.call

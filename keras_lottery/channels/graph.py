"""A model of either Keras as one list of calls, models in the model written out; and the model anew with
other layers."""

import dataclasses
import functools
import numbers

import numpy as np

from ..core.errors import LotteryError


@dataclasses.dataclass(eq=False)
class Value:
    """A tensor of the graph: its shape, batch included, None where open."""

    shape: tuple


@dataclasses.dataclass(eq=False)
class Call:
    """One call of a layer.

    `kind` is the name of the layer's class if it is Keras' own, "operation" and its name for an operation,
    else "". `fixed`: no more is known than which tensors go in and out, as with settings of the user's own or
    a mask.
    """

    layer: object
    kind: str
    inputs: list
    outputs: list
    config: dict = dataclasses.field(default_factory=dict)
    variables: dict = dataclasses.field(default_factory=dict)  # {name: variable} of Keras' own layers
    fixed: bool = False

    @functools.cached_property
    def weights(self):
        """{name: array}."""
        return {name: array(variable) for name, variable in self.variables.items()}


@dataclasses.dataclass(eq=False)
class Graph:
    """All calls, in an order in which they can be computed; `masked`: a Keras mask goes along with some
    tensor."""

    calls: list
    outputs: list
    masked: bool


def check_readable(handle):
    """Raises LotteryError unless the layers of the handle's model and their calls can be read."""
    engine, model = handle.engine, handle.unwrap(handle.model)
    if isinstance(model, engine.keras.Sequential) and not model.built:
        raise LotteryError(
            f"the model {model.name!r} is not built: give it an Input layer, or call it on a batch first."
        )
    if not _is_readable(engine, model):
        raise LotteryError(
            f"{model.name!r} is a {type(model).__name__}, whose code says how its layers are called: a "
            "functional or Sequential model is needed, keras.Model(inputs, outputs)."
        )


def read(handle):
    """The `Graph` of a plain functional or Sequential model, by its handle."""
    model = handle.model
    reader = _Reader(handle.engine, model)
    outputs = reader.model(model, [reader.first(tensor) for tensor in model.inputs])
    for call in reader.calls:
        call.fixed |= id(call.layer) in reader.opaque
    return Graph(reader.calls, outputs, reader.masked)


def rebuild(handle, made):
    """The handle's model with other layers, {id of a layer: the one in its place}; it shares all others with
    the new one."""
    engine, made = handle.engine, dict(made)

    def new(layer):
        if _is_readable(engine, layer) and id(layer) not in made:
            made[id(layer)] = rebuilt(layer)
        return made.get(id(layer), layer)

    def rebuilt(model):
        inputs = [new(engine.maker(tensor)) for tensor in model.inputs]
        if isinstance(model, engine.keras.Sequential):
            copy = engine.keras.Sequential([*inputs, *map(new, model.layers)], name=model.name)
        else:
            copy = _replayed(engine, model, inputs, new)
        engine.copy_trainable(model, copy)
        return copy

    with handle.strategy_scope():
        return rebuilt(handle.model)


def with_config(layer, changes):
    """A new layer of the same class, with `changes` in its config."""
    config = {**layer.get_config(), **changes}
    if "batch_input_shape" not in changes and type(layer).__name__ != "InputLayer":
        config.pop("batch_input_shape", None)  # tf_keras: of a first layer that was told what comes in
    return type(layer).from_config(config)


def input_shape(layer, axis, size):
    """The setting of an InputLayer for a batch shape with another size on one axis."""
    name = (
        "batch_shape" if "batch_shape" in layer.get_config() else "batch_input_shape"
    )  # Keras 3's, tf_keras's
    shape = list(layer.get_config()[name])
    return {name: [*shape[:axis], size, *shape[axis + 1 :]]}


def array(tensor):
    """The NumPy array of a tensor or variable of any backend, in float64 where it holds numbers with a
    point."""
    value = np.asarray(tensor.numpy() if hasattr(tensor, "numpy") else tensor)
    return value if value.dtype.kind in "iub" else value.astype("float64")


def _replayed(engine, model, inputs, new):
    nest = engine.nest
    tensors = {id(old): layer.output for old, layer in zip(model.inputs, inputs)}

    def moved(nested):
        return nest.map_structure(lambda item: tensors.get(id(item), item), nested)

    for layer, args, kwargs, outputs in engine.calls(model):
        results = nest.flatten(new(layer)(*moved(args), **moved(kwargs)))
        tensors.update(zip(map(id, nest.flatten(outputs)), results))
    given, results = engine.ends(model)
    return engine.keras.Model(moved(given), moved(results), name=model.name)


class _Reader:
    def __init__(self, engine, model):
        self.engine, self.calls, self.masked = engine, [], False
        owners = {}
        for layer in engine.flat_layers(model):
            if not _is_readable(engine, layer):
                for variable in layer.weights:
                    owners.setdefault(id(variable), set()).add(id(layer))
        # A weight of two layers cannot be cut for one of them.
        self.tied = set().union(*(ids for ids in owners.values() if len(ids) > 1))
        self.known = {}
        self.opaque = set()  # ids of the layers of models that some call takes as a whole

    def first(self, tensor):
        value = Value(_shape(tensor))
        self.calls.append(Call(self.engine.maker(tensor), "", [], [value]))
        return value

    def model(self, model, inputs):
        """The outputs of a model on `inputs`, a Value for each of its own."""
        values = {}
        for tensor, value in zip(model.inputs, inputs):
            values[id(tensor)] = value
        for layer, args, kwargs, outputs in self.engine.calls(model):
            given = [t for t in self.engine.nest.flatten((args, kwargs)) if id(t) in values]
            made = self.engine.nest.flatten(outputs)
            self.masked |= any(self.engine.has_mask(tensor) for tensor in given)
            results = self.call(
                layer, args, kwargs, [values[id(t)] for t in given], [_shape(t) for t in made]
            )
            values.update(zip(map(id, made), results))
        return [values[id(tensor)] for tensor in model.outputs]

    def call(self, layer, args, kwargs, inputs, shapes):
        plain = self.is_plain(args, kwargs, inputs)
        if plain and _is_readable(self.engine, layer) and self.fits(layer, args[0]):
            return self.model(
                layer, [self.enter(tensor, value) for tensor, value in zip(layer.inputs, inputs)]
            )
        if _is_readable(self.engine, layer):
            self.opaque |= set(map(id, self.engine.flat_layers(layer)))
        if id(layer) not in self.known:
            self.known[id(layer)] = self.look(layer)
        kind, config, variables, free = self.known[id(layer)]
        alone = sum(item is not None for item in self.engine.nest.flatten((args, kwargs))) == len(inputs)
        fixed = not (free and (plain or alone and kind.startswith("operation")))
        outputs = [Value(shape) for shape in shapes]
        self.calls.append(Call(layer, kind, inputs, outputs, config, variables, fixed))
        return outputs

    def enter(self, tensor, value):
        inside = Value(_shape(tensor))
        self.calls.append(Call(self.engine.maker(tensor), "InputLayer", [value], [inside]))
        return inside

    def look(self, layer):
        """(kind, config, variables, whether channels may be cut) of a layer."""
        name = self.engine.operation(layer)
        operation = f"operation {name}" if name else ""
        if operation or not _is_stock(type(layer)) or not isinstance(layer, self.engine.keras.layers.Layer):
            return operation, {}, {}, bool(operation)
        variables, config = self.engine.layer_variables(layer), layer.get_config()
        own = id(layer) in self.tied or any("/" in name for name in variables)
        return (
            type(layer).__name__,
            config,
            variables,
            not own and all(map(_is_plain_setting, config.values())),
        )

    def is_plain(self, args, kwargs, inputs):
        first = self.engine.nest.flatten(args[0]) if len(args) == 1 else []
        known = all(
            key in ("training", "mask") and not value for key, value in kwargs.items() if _is_setting(value)
        )
        return len(first) == len(inputs) > 0 and known and all(map(_is_setting, kwargs.values()))

    def fits(self, model, given):
        """Whether what a model is called with is in the order of its inputs."""
        nest, own = self.engine.nest, self.engine.ends(model)[0]
        if len(nest.flatten(given)) == len(model.inputs) == 1:
            return True
        if isinstance(given, dict):
            return isinstance(own, dict) and list(given) == list(own)
        flat = isinstance(given, (list, tuple)) and isinstance(own, (list, tuple))
        return flat and len(given) == len(own) == len(model.inputs) == len(nest.flatten(given))


def _is_readable(engine, layer):
    """Whether this is a Sequential or functional model that calls its layers as its graph says."""
    if not engine.is_graph(layer):
        return False
    return _is_stock_module(type(layer).call.__module__)


def _shape(tensor):
    shape = getattr(tensor, "shape", ())
    return (
        tuple(None if side is None else int(side) for side in shape)
        if getattr(shape, "rank", 0) is not None
        else ()
    )


# What is Keras' own.
def _is_stock_module(name):
    return name.split(".")[0] in ("keras", "tf_keras")


def _is_stock(kind):
    return _is_stock_module(kind.__module__)


def _is_setting(value):
    return value is None or isinstance(value, (bool, str, numbers.Number))


def _is_plain_setting(value):
    """Whether a setting of a layer would do for any number of channels: all but arrays and objects of the
    user's."""
    if not isinstance(value, dict):
        return True
    if not _is_stock_module(str(value.get("module"))):
        return False
    return value.get("class_name") != "Constant" or isinstance(value["config"].get("value"), numbers.Number)

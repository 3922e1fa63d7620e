"""The Keras 3 model that holds another model and its masks."""

import copy
import re

import keras

from ...core.errors import LotteryError
from ...core.schedule import LotterySchedule
from ..private import flat_layers
from . import private, walk
from .hold import Hold


@keras.saving.register_keras_serializable("keras_lottery")
class LotteryModel(keras.Model):
    """A model whose weights are held at 0 where their masks say so.

    The masks are non-trainable bool weights, so they are saved, jitted and distributed as
    any state is. In all else it is the model it holds: its layers, inputs, outputs, summary.

    Args:
      model: any built Keras 3 model.
      paths: the weights that get a mask, as `walk.variables` names them.
      scope: "global", "layer" or "erk", for the rounds to come.
      blocks: {path: block}, as for `masking.prune`.
      schedule: a LotterySchedule, or None where `find_ticket` runs the rounds.
    """

    def __init__(self, model, paths, scope="global", blocks=None, schedule=None, name=None):
        # Precision is the inner model's affair, but the policy says whether compile scales the loss.
        super().__init__(name=name or model.name, dtype=model.dtype_policy, autocast=False)
        self.inner = model
        self.scope = scope
        self.blocks = dict(blocks or {})
        self.schedule = schedule
        self.supports_masking = True
        owned = {path: (variable, owners[-1]) for path, variable, _, owners in walk.owned_variables(model)}
        variables = {path: variable for path, (variable, _) in owned.items()}
        self.paths = list(paths)
        self.mask_weights = [
            self.add_weight(
                name="mask_" + re.sub(r"\W", "_", path),
                shape=variables[path].shape,
                dtype="bool",
                initializer="ones",
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
            )
            for path in self.paths
        ]
        self.holds = [Hold(variables[path], mask) for path, mask in zip(self.paths, self.mask_weights)]
        for path in self.paths:
            _refuse_new_weights(owned[path][1])
        if hasattr(self, "register_load_state_dict_post_hook"):  # of PyTorch, which writes past `assign`
            self.register_load_state_dict_post_hook(_hold_loaded)
        self.built = True

    def call(self, inputs, training=None):
        if private.in_stateless_scope():
            for hold in self.holds:
                hold.enter()
        # A stateless call comes here past __call__, which would hand `training` down.
        told = {"training": training} if private.takes_training(self.inner) else {}
        return self.inner(inputs, **told)

    def compute_mask(self, inputs, previous_mask):
        return None  # the inner model has set it on its outputs

    def compute_output_spec(self, inputs, training=None):
        return self.inner.compute_output_spec(inputs)

    def compute_output_shape(self, input_shape):
        return self.inner.compute_output_shape(input_shape)

    def save(self, filepath, *args, **kwargs):
        if str(filepath).endswith((".h5", ".hdf5")):
            raise LotteryError(
                f"{str(filepath)!r}: a whole .h5 file of Keras 3 holds no masks. Save as .keras, or strip "
                "the model first."
            )
        return super().save(filepath, *args, **kwargs)

    def quantize(self, *args, **kwargs):
        raise LotteryError(_STRIP_FIRST.format(f"the wrapped model {self.name!r}", "quantize"))

    def export(self, *args, **kwargs):
        return self.inner.export(*args, **kwargs)

    def get_config(self):
        return {
            "model": walk.tell_names(self.inner, keras.saving.serialize_keras_object(self.inner)),
            "paths": list(self.paths),
            "scope": self.scope,
            "blocks": self.blocks,
            "schedule": self.schedule and LotterySchedule.get_config(self.schedule),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        model = keras.saving.deserialize_keras_object(
            copy.deepcopy(config["model"]), custom_objects=custom_objects
        )
        walk.take_names(model, config["model"])
        schedule = config["schedule"] and LotterySchedule(**config["schedule"])
        return cls(model, config["paths"], config["scope"], config.get("blocks"), schedule, config["name"])

    def get_build_config(self):
        return None  # built when made

    def summary(self, *args, **kwargs):
        return self.inner.summary(*args, **kwargs)

    def __getattr__(self, name):
        """What the model held has of its own: methods, attributes such as `data_format` of KerasHub's
        backbones."""
        held = vars(self).get("inner", private.modules(self).get("inner"))
        try:
            return super().__getattr__(name)  # PyTorch's
        except AttributeError:
            if held is not None and not name.startswith("_"):
                return getattr(held, name)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    @property
    def layers(self):
        return self.inner.layers

    @property
    def _graph(self):
        """What knows the symbolic tensors: the model held, or this one, as a layer, where that has none of
        its own."""
        return private.functional(self.inner) if walk.is_graph(self.inner) else super()

    inputs = property(lambda self: self.inner.inputs)
    outputs = property(lambda self: self.inner.outputs)
    input = property(lambda self: self._graph.input)
    output = property(lambda self: self._graph.output)
    input_shape = property(lambda self: self.inner.input_shape)
    output_shape = property(lambda self: self.inner.output_shape)
    input_names = property(lambda self: self.inner.input_names)
    output_names = property(lambda self: self.inner.output_names)


def _hold_loaded(model, incompatible_keys):
    for hold in model.holds:
        hold.assign(hold.variable.value)


def wrappers(model):
    """The model itself, or the wrapped models in it."""
    below = [model] if isinstance(model, LotteryModel) else flat_layers(model)
    return [layer for layer in below if isinstance(layer, LotteryModel)]


def holds(model):
    """{path: Hold} of the weights with a mask."""
    if isinstance(model, LotteryModel):
        return dict(zip(model.paths, model.holds))
    held = {id(hold.variable): hold for part in wrappers(model) for hold in part.holds}
    known = walk.variables(model) if held else {}
    return {path: held[id(variable)] for path, variable in known.items() if id(variable) in held}


_STRIP_FIRST = (
    "{} has masks, which weights that {} makes would not have: take a stripped model, lottery.strip(model)."
)


def _refuse_new_weights(layer):
    """Make the methods of a layer with a mask that replace or add to its weights raise LotteryError."""
    policy = layer.dtype_policy

    def refused(name):
        def refuse(*args, **kwargs):
            private.set_policy(layer, policy)  # which is set before it quantizes
            raise LotteryError(_STRIP_FIRST.format(f"layer {layer.name!r}", name))

        return refuse

    for name in ("enable_lora", "quantize"):
        if hasattr(layer, name):
            setattr(layer, name, refused(name))


_ENTRY = {"module": __name__, "class_name": "LotteryModel", "registered_name": "keras_lottery>LotteryModel"}
_IN_GRAPH = ("name", "inbound_nodes")  # what a graph's entry says of the place of a layer


def without_wrappers(config):
    """A config with the entry of each wrapped model's own model in place of the wrapper's."""
    if isinstance(config, dict):
        if config.get("registered_name") == _ENTRY["registered_name"]:
            config = {
                **{name: config[name] for name in _IN_GRAPH if name in config},
                **config["config"]["model"],
            }
        return {name: without_wrappers(value) for name, value in config.items()}
    return type(config)(map(without_wrappers, config)) if type(config) in (list, tuple) else config


def with_wrapper(config, layer, settings):
    """A config with the entry of a LotteryModel of these settings around that of the model `layer`."""
    if isinstance(config, dict):
        inner = config.get("config")
        named = isinstance(inner, dict) and inner.get("name") == layer.name
        if named and config.get("class_name") == type(layer).__name__:
            place = {name: config[name] for name in _IN_GRAPH if name in config}
            entry = {name: value for name, value in config.items() if name != "inbound_nodes"}
            schedule = settings["schedule"] and LotterySchedule.get_config(settings["schedule"])
            settings = {**settings, "schedule": schedule, "model": entry, "name": layer.name}
            return {**_ENTRY, **place, "config": settings}
        return {name: with_wrapper(value, layer, settings) for name, value in config.items()}
    if type(config) in (list, tuple):
        return type(config)(with_wrapper(item, layer, settings) for item in config)
    return config

"""TF-MOT's PruneLowMagnitude with masks that hold exactly.

TF-MOT's own wrapper masks at the next forward pass, one layer at a time, and so lets
pruned weights move between a step and the next. This one passes the call through and
holds the zeros on the variables themselves.
"""

import tensorflow as tf

from ...core.errors import LotteryError
from . import private, walk
from .hold import hold, is_held
from .legacy import tf_keras
from .private import PruneLowMagnitude


@tf_keras.utils.register_keras_serializable("keras_lottery")
class LotteryPrune(PruneLowMagnitude):
    """A layer whose weights are held at 0 where their masks say so.

    Args:
      layer: any tf_keras layer; its call, its name and its losses stay as they are.
      shapes: {path below the layer: shape} of the weights that get a mask. Given here
        because some layers have no weights yet when they are built (MultiHeadAttention).
      scope: "global", "layer" or "erk", for the rounds to come.
      blocks: {path below the layer: block}, as for `masking.prune`.
      pruning_schedule: a LotterySchedule, or None where `find_ticket` runs the rounds.
    """

    def __init__(self, layer, shapes, scope="global", blocks=None, pruning_schedule=None, **kwargs):
        if not hasattr(layer, "get_prunable_weights"):
            # TF-MOT takes the layers of its own list, and any layer that has this method.
            layer.get_prunable_weights = lambda: [variable for variable, _ in self.held()]
        kwargs["dtype"] = private.policy(layer)
        super().__init__(layer, pruning_schedule=pruning_schedule, **kwargs)
        private.become(self, layer)
        self.supports_masking = layer.supports_masking
        self.stateful = layer.stateful
        self.shapes = {path: tuple(shape) for path, shape in shapes.items()}
        self.scope = scope
        self.blocks = dict(blocks or {})
        self.holding = False

    def _init_call_fn_args(self, expects_training_arg=None):
        # Keras reads the arguments of call() here: they are the layer's own.
        private.take_arguments(self, self.layer)

    def build(self, input_shape):
        self.masks = {
            path: self.add_weight(
                name="mask_" + path.replace("/", "_"),
                shape=shape,
                dtype=tf.bool,
                initializer="ones",
                trainable=False,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
            for path, shape in self.shapes.items()
        }
        self.built = True

    def call(self, *args, **kwargs):
        # By name, since some layers' __call__ takes other positions than their call().
        names = private.argument_names(self)
        if len(args) <= len(names):
            args, kwargs = args[:1], {**dict(zip(names[1:], args[1:])), **kwargs}
        outputs = self.layer(*args, **kwargs)
        self._begin_to_hold()
        return outputs

    @tf.autograph.experimental.do_not_convert  # which takes half the time of a wrap
    def _begin_to_hold(self):
        if not self.holding:
            for variable, mask in self.held():
                hold(variable, mask)
            self.holding = True

    def held(self):
        """(variable, its mask variable) of each held weight.

        Raises:
          LotteryError: another variable has taken the place of one that is held.
        """
        variables = walk.variables(self.layer)
        for path in self.masks:
            if self.holding and not (path in variables and is_held(variables[path])):
                raise LotteryError(
                    f"{path!r} of layer {self.name!r} is another variable than the one that was wrapped, so "
                    "no mask holds its zeros: set values with variable.assign(value), or replace the "
                    "variable before lottery.wrap."
                )
        return [(variables[path], mask) for path, mask in self.masks.items()]

    def compute_mask(self, inputs, mask=None):
        return self.layer.compute_mask(inputs, mask)

    def reset_states(self, states=None):
        self.layer.reset_states(states)

    def get_config(self):
        schedule = self.pruning_schedule
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layer": tf_keras.utils.serialize_keras_object(self.layer),
            "shapes": {path: list(shape) for path, shape in self.shapes.items()},
            "scope": self.scope,
            "blocks": self.blocks,
            "pruning_schedule": schedule and schedule.get_config(),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config.pop("name"), config.pop("trainable")
        schedule = config.pop("pruning_schedule")
        return cls(
            tf_keras.layers.deserialize(config.pop("layer")),
            pruning_schedule=schedule and tf_keras.utils.deserialize_keras_object(schedule),
            **config,
        )

"""Names that Keras, TF-MOT, TensorFlow and PyTorch keep private: each is there, and only a few files of ours
use any.

A release that drops one fails the test that bears its name. This file imports nothing of ours that would fail
first.
"""

import ast
import contextlib
import functools
import importlib
import re

import house
import numpy as np
import pytest
from world import KERAS3, keras, runs_on

pytestmark = pytest.mark.engine

L = keras.layers
PRIVATE = re.compile(r"_[a-zA-Z]\w*/?")
INSIDE = re.compile(
    r"\b(keras|tf_keras)\.src\b|\btensorflow\.python\b|\btf\.__internal__\b|_optimization\.python\b"
)
OURS = ("_lottery", "_shift")  # what we ourselves put on objects of theirs


@functools.cache
def net():
    """A compiled model that has taken a step, with layers that most of the names belong to."""
    signal = keras.Input((6, 4))
    x = L.Masking(name="masking")(signal)
    x = L.LSTM(3, name="lstm")(x)
    x = L.Dropout(0.5, name="dropout")(x)
    model = keras.Model(signal, L.Dense(2, name="head")(x))
    model.compile(keras.optimizers.Adam(1e-3, weight_decay=1e-3, use_ema=True), "mse", metrics=["mae"])
    model.train_on_batch(np.ones((4, 6, 4), "float32"), np.ones((4, 2), "float32"))
    return model


def head():
    return net().get_layer("head")


def optimizer():
    return net().optimizer


def source():
    return net().get_layer("dropout")._random_generator


def multi():
    if not hasattr(keras.optimizers, "MultiOptimizer"):
        pytest.skip("this Keras has one optimizer")
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(keras.optimizers.SGD()))


def scheduled():
    return keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))


def nadam():
    found = keras.optimizers.Nadam()
    found.build(net().trainable_variables)
    return found


def mirrored():
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        return tf.Variable(1.0)


def cast_in_use():
    layer = L.Dense(1, dtype="mixed_float16")
    layer.build((None, 2))
    return layer.kernel


def data(change):
    def make():
        import tensorflow as tf

        return change(tf.data.Dataset.range(3))

    return make


FILES = ("engines.private", "engines.keras3.private", "engines.tf_keras.private", "core.tf_data")
TAKES_NAMES = re.compile(r"^(get|has|set|del)attr$|^vars\(.*\.(get|pop)$|startswith$|import_module$")
ANY, OLD, NEW, TF = ("tf_keras", "keras"), ("tf_keras",), ("keras",), ("tf_keras", "tensorflow")
# {file of ours: {name: (the worlds that have it, what makes an object that has it)}}
TRIED = {
    "engines.private": {
        "_flatten_layers": (ANY, net),
        "_trainable": (ANY, head),
        "_keras_history": (ANY, lambda: net().output),
        "_keras_mask": (ANY, lambda: net().get_layer("masking").output),
        "_inbound_nodes": (ANY, head),
        "_nodes_by_depth": (ANY, net),
        "_compile_config": (ANY, net),
        "_lookup_layer": (ANY, lambda: L.TextVectorization(vocabulary=["a"])),
        "_learning_rate": (ANY, optimizer),
        "_use_weight_decay": (ANY, optimizer),
        "_hyper": (OLD, lambda: keras.optimizers.legacy.SGD()),
        "_optimizer_map": (NEW, multi),
        "_inner_optimizers": (NEW, multi),
    },
    "engines.keras3.private": {
        "_functional": (NEW, lambda: keras.Sequential([keras.Input((4,)), L.Dense(2)])),
        "_inputs_struct": (NEW, net),
        "_outputs_struct": (NEW, net),
        "_layers": (NEW, head),
        "_trainable_variables": (NEW, head),
        "_non_trainable_variables": (NEW, head),
        "_metrics": (NEW, head),
        "_seed_generators": (NEW, head),
        "_losses": (NEW, head),
        "_tracker": (NEW, head),
        "_dtype_policy": (NEW, head),
        "_call_has_training_arg": (NEW, net),
        "_output_shape": (NEW, lambda: L.Lambda(lambda x: x, output_shape=(4,))),
        "_symbolic_build": (NEW, net),
        "_iterations": (NEW, optimizer),
        "_model_variables_moving_average": (NEW, optimizer),
        "_value": (NEW, lambda: head().kernel),
        "_dtype": (NEW, lambda: head().kernel),
        "_path": (NEW, lambda: head().kernel),
        "_values": (("tensorflow",), mirrored),
        "_self_": (("tensorflow",), head),
        "_obj_": (NEW, head),
        "_parameters": (("torch",), head),
        "_modules": (("torch",), head),
        "_buffers": (("torch",), head),
        "_torch_params": (("torch",), head),
        "keras.src.backend.common.global_state.get_global_attribute": (NEW, None),
        "keras.src.backend.common.global_state.set_global_attribute": (NEW, None),
        "keras.src.backend.common.stateless_scope.get_stateless_scope": (NEW, None),
        "keras.src.backend.common.stateless_scope.in_stateless_scope": (NEW, None),
        "keras.src.models.functional.Functional": (NEW, None),
        "keras.src.ops.numpy.Add": (NEW, None),
        "keras.src.random.seed_generator.global_seed_generator": (NEW, None),
        "keras.src.saving.serialization_lib.SafeModeScope": (NEW, None),
    },
    "engines.tf_keras.private": {
        "_is_graph_network": (OLD, net),
        "_nested_inputs": (OLD, net),
        "_nested_outputs": (OLD, net),
        "_steps_per_execution": (OLD, net),
        "_trackable_children": (OLD, head),
        "_name": (OLD, head),
        "_autocast": (OLD, head),
        "_call_spec": (OLD, head),
        "_dtype_policy": (OLD, head),
        "_trainable_weights": (OLD, head),
        "_non_trainable_weights": (OLD, head),
        "_constraint": (OLD, lambda: head().kernel),
        "_variable": (OLD, cast_in_use),
        "_values": (OLD, mirrored),
        "_could_use_gpu_kernel": (OLD, lambda: net().get_layer("lstm")),
        "_random_generator": (OLD, lambda: net().get_layer("dropout")),
        "_random_generator/": (OLD, lambda: net().get_layer("dropout")),
        "_rng_type": (OLD, source),
        "_built": (OLD, source),
        "_generator": (OLD, source),
        "_maybe_init": (OLD, source),
        "_conform_to_outputs": (OLD, lambda: net().compiled_metrics),
        "_current_learning_rate": (OLD, scheduled),
        "_u_product_counter": (OLD, nadam),
        "_create_all_weights": (OLD, lambda: keras.optimizers.legacy.SGD()),
        "_initial_decay": (OLD, lambda: keras.optimizers.legacy.SGD()),
        "_create_op_internal": (OLD, lambda: led_to("tensorflow.python.framework.func_graph.FuncGraph")),
        "tensorflow.python.framework.func_graph.FuncGraph": (OLD, None),
        "tensorflow.python.ops.resource_variable_ops.UninitializedVariable": (OLD, None),
        "tensorflow.__internal__.tracking.AutoTrackable": (OLD, None),
        "tensorflow.__internal__.tracking.TrackableDataStructure": (OLD, None),
        "tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper.PruneLowMagnitude": (
            OLD,
            None,
        ),
        "tf_keras.src.applications.efficientnet": (OLD, None),
        "tf_keras.src.engine.functional.Functional": (OLD, None),
        "tf_keras.src.engine.functional.has_functional_like_constructor": (OLD, None),
        "tf_keras.src.saving.legacy.saved_model.json_utils.decode": (OLD, None),
        "tf_keras.src.saving.serialization_lib.SafeModeScope": (OLD, None),
        "tf_keras.src.utils.conv_utils.conv_kernel_idxs": (OLD, None),
        "tf_keras.src.utils.conv_utils.conv_output_shape": (OLD, None),
    },
    "core.tf_data": {
        "_inputs": (TF, data(lambda three: three.batch(2))),
        "_RepeatDataset": (TF, data(lambda three: three.repeat(2))),
        "_count": (TF, data(lambda three: three.repeat(2))),
        "_TakeDataset": (TF, data(lambda three: three.take(2))),
        "_TakeWhileDataset": (TF, data(lambda three: three.take_while(lambda n: n < 2))),
        "_reshuffle_each_iteration": (TF, data(lambda three: three.shuffle(3))),
        "_seed": (TF, data(lambda three: three.shuffle(3))),
        "_seed2": (TF, data(lambda three: three.shuffle(3))),
    },
    # Methods that we give classes of ours for Keras to call.
    "engines.tf_keras.wrapper": {"_init_call_fn_args": (OLD, lambda: L.Layer)},
    "training.callback": {
        "_implements_train_batch_hooks": (OLD, lambda: keras.callbacks.Callback),
        "_implements_test_batch_hooks": (OLD, lambda: keras.callbacks.Callback),
        "_implements_predict_batch_hooks": (OLD, lambda: keras.callbacks.Callback),
    },
}
CASES = [
    pytest.param(name, make, id=f"{file}:{name}")
    for file, names in TRIED.items()
    for name, (worlds, make) in names.items()
    if runs_on(*worlds)
]


def led_to(dotted):
    """What a dotted name leads to: modules as far as there are any, then attributes."""
    parts = dotted.split(".")
    for n in range(len(parts), 0, -1):
        with contextlib.suppress(ModuleNotFoundError):
            return functools.reduce(getattr, parts[n:], importlib.import_module(".".join(parts[:n])))


def has(holder, name):
    """Whether an object has this attribute, or some that begins so, or its class this name."""
    return (
        hasattr(holder, name.rstrip("/"))
        or type(holder).__name__ == name
        or name.endswith("_")
        and any(attribute.startswith(name) for attribute in dir(holder))
    )


@pytest.mark.parametrize("name, make", CASES)
def test_the_name_is_still_there(name, make):
    assert led_to(name) if make is None else has(make(), name)


@pytest.mark.skipif(not KERAS3, reason="tf_keras makes variables without values in another way")
def test_variables_of_a_stateless_scope_wait_in_keras_list_for_their_values():
    from keras.src.backend.common import global_state

    with keras.StatelessScope(initialize_variables=False):
        variable = keras.Variable("ones", shape=(2,))
    waiting = global_state.get_global_attribute("uninitialized_variables")
    assert any(variable is one for one in waiting)
    waiting.remove(next(one for one in waiting if one is variable))


def used(module):
    """The private names of others in a module of ours: attributes, imports, and texts that name one."""
    for node in ast.walk(ast.parse(house.modules()[module].read_text())):
        if isinstance(node, ast.Attribute):
            if INSIDE.search(ast.unparse(node)):
                yield ast.unparse(node).replace("tf.__", "tensorflow.__")
            elif PRIVATE.fullmatch(node.attr) and ast.unparse(node.value) not in (
                "self",
                "cls",
                "super()",
                "os",
            ):
                yield node.attr
        elif isinstance(node, ast.ImportFrom) and INSIDE.search(node.module or ""):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if INSIDE.search(alias.name))
        elif isinstance(node, ast.Constant) and module in FILES:
            yield from filter(is_private, [node.value])
        elif isinstance(node, ast.Call) and TAKES_NAMES.search(ast.unparse(node.func)):
            yield from filter(is_private, [getattr(given, "value", None) for given in node.args])
        elif isinstance(node, ast.Compare) and ast.unparse(node.comparators[0]).startswith("vars("):
            yield from filter(is_private, [getattr(node.left, "value", None)])


def is_private(text):
    return isinstance(text, str) and bool(PRIVATE.fullmatch(text) or INSIDE.search(text))


def of_others(module):
    return {name for name in used(module) if not name.startswith(OURS)}


def test_private_names_of_others_stand_in_few_files():
    elsewhere = {module: of_others(module) for module in house.modules() if module not in FILES}
    assert {module: names for module, names in elsewhere.items() if names} == {}


@pytest.mark.parametrize("file", FILES)
def test_each_private_name_that_is_used_is_tried(file):
    assert [name for name in of_others(file) if not any(one.startswith(name) for one in TRIED[file])] == []

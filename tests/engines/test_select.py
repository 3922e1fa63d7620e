"""What is pruned and what is not: skip, include, heads, frozen layers, and the lines for models that cannot
be wrapped."""

import numpy as np
import pytest
import world
import zoo
from world import KERAS3, array, keras, skip_unless
from zoo import CASES, ENGINE, Input, L, register

import keras_lottery as lottery

pytestmark = pytest.mark.keras3

walk = ENGINE.walk
Model, Sequential = keras.Model, keras.Sequential
only_keras3 = skip_unless("keras", reason="tf_keras wraps graphs of layers alone")
only_tf_keras = skip_unless("tf_keras", reason="Keras 3 holds any model as it is")


def net():
    """stem, a nested body (conv, inner/dense), two Dense layers of which the second is the head."""
    x = Input((4, 4, 2))
    y = L.Flatten()(L.SeparableConv2D(4, 2, name="conv")(x))
    inner = Sequential([Input((36,)), L.Dense(4, name="dense")], name="inner")
    body = Model(x, inner(y), name="body")
    z = Input((4, 4, 2))
    out = L.Dense(5, name="mid")(body(L.Conv2D(2, 1, name="stem")(z)))
    return Model(z, L.Dense(3, name="out")(L.ReLU()(out)))


ALL = {"stem/kernel", "body/conv/pointwise_kernel", "body/inner/dense/kernel", "mid/kernel"}


def pruned(model, **arguments):
    return set(lottery.masks(lottery.wrap(model, **arguments)))


@pytest.mark.parametrize(
    "skip, left",
    [
        ("mid", {"mid/kernel"}),
        ("dense", {"body/inner/dense/kernel"}),
        ("body", {"body/conv/pointwise_kernel", "body/inner/dense/kernel"}),
        ("body/inner", {"body/inner/dense/kernel"}),
        ("body/inner/dense", {"body/inner/dense/kernel"}),
        ("stem/kernel", {"stem/kernel"}),
        (L.Conv2D, {"stem/kernel", "body/conv/pointwise_kernel"}),  # a SeparableConv2D is a Conv by class
        (L.Dense, {"body/inner/dense/kernel", "mid/kernel"}),
        (lambda layer: layer.name.startswith("m"), {"mid/kernel"}),
        (["stem", L.Dense], {"stem/kernel", "body/inner/dense/kernel", "mid/kernel"}),
        (("mid",), {"mid/kernel"}),
        ([], set()),
    ],
)
def test_skip(skip, left):
    if skip is L.Conv2D and not issubclass(L.SeparableConv2D, L.Conv2D):
        left = {"stem/kernel"}
    assert pruned(net(), skip=skip) == ALL - left


@pytest.mark.parametrize("include", ["conv", "body", L.SeparableConv2D, lambda layer: "conv" in layer.name])
def test_include(include):
    assert pruned(net(), include=include) == ALL | {"body/conv/depthwise_kernel"}


def test_skip_wins_over_include():
    assert pruned(net(), include="conv", skip="body/conv") == ALL - {"body/conv/pointwise_kernel"}


def test_include_does_not_unfreeze_or_take_the_head():
    model = net()
    model.get_layer("mid").trainable = False
    assert pruned(model, include=["mid", "out"]) == ALL - {"mid/kernel"}


def test_prune_head():
    assert pruned(net(), prune_head=True) == ALL | {"out/kernel"}


@pytest.mark.parametrize("argument", ["skip", "include"])
def test_unknown_names(argument):
    for names in ("convolution", ["stem", "convolution"]):
        with pytest.raises(lottery.LotteryError, match=f"{argument}='convolution' names no layer") as told:
            lottery.wrap(net(), **{argument: names})
        assert "\n" not in str(told.value)
    with pytest.raises(lottery.LotteryError, match=f"{argument}=7 is not understood"):
        lottery.wrap(net(), **{argument: 7})


def heads(model):
    return ENGINE.heads(model)


def _branch(*layers):
    def build():
        x = Input((4,))
        y = L.Dense(5, name="a")(x)
        for layer in layers:
            y = layer()(y)
        return Model(x, y)

    return build


def _ends_in_add():
    x = Input((4,))
    return Model(x, L.Add()([L.Dense(3, name="a")(x), L.Dense(3, name="b")(x)]))


def _head_in_nested():
    x = Input((4,))
    top = Model(x, L.Softmax()(L.Dense(3, name="logits")(L.Dense(4, name="hidden")(x))), name="top")
    y = Input((4,))
    return Model(y, top(L.Dense(4, name="stem")(y)))


def _two_outputs():
    x = Input((4,))
    y = L.Dense(4, name="stem")(x)
    return Model(
        x, {"one": L.Dense(2, name="one")(y), "two": L.Activation("softmax")(L.Dense(3, name="two")(y))}
    )


def _shared_head():
    head = L.Dense(3, name="head")
    a, b = Input((4,)), Input((4,))
    return Model([a, b], [head(L.Dense(4, name="a")(a)), head(L.Dense(4, name="b")(b))])


def _reshaped():
    x = Input((4,))
    return Model(x, keras.activations.softmax(L.Reshape((2, 3))(L.Dense(6, name="a")(x))[:, :]))


@pytest.mark.parametrize(
    "build, expected",
    [
        (_branch(lambda: L.Dense(3, "softmax", name="head")), ["head"]),
        (_branch(lambda: L.Dense(3, name="head"), L.Softmax), ["head"]),
        (
            _branch(lambda: L.Dense(3, name="head"), lambda: L.Activation("softmax", dtype="float32")),
            ["head"],
        ),
        (_branch(lambda: L.Dense(3, name="head"), L.BatchNormalization, L.ReLU), ["head"]),
        (
            _branch(lambda: L.Reshape((5, 1)), lambda: L.Conv1D(3, 2, name="head"), L.GlobalMaxPool1D),
            ["head"],
        ),
        (_branch(lambda: L.Reshape((5, 1)), lambda: L.LSTM(3, name="head")), ["head"]),
        (_ends_in_add, []),
        (_head_in_nested, ["top/logits"]),
        (_two_outputs, ["one", "two"]),
        (_shared_head, ["head"]),
        (_reshaped, ["a"]),
    ],
)
def test_head(build, expected):
    assert sorted(heads(build())) == expected


@register
class Branches(Model):
    """Made in another order than called, with a layer of layers at the end."""

    def __init__(self, merged=False, **kwargs):
        super().__init__(**kwargs)
        self.merged = merged
        self.out = L.Dense(3)
        self.top = Top()
        self.stem = L.Dense(4)
        self.drop = L.Dropout(0.5)

    def get_config(self):
        return {"merged": self.merged, **super().get_config()}

    def call(self, x, training=None):
        x = self.stem(x)
        if self.merged:
            return self.out(x) + self.top(x)
        return {"one": self.out(self.drop(x, training=training)), "two": self.top(x)}


@register
class Top(L.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.last, self.first = L.Dense(3), L.Dense(4)

    def build(self, shape):
        self.first.build(shape)
        self.last.build((None, 4))
        self.built = True

    def call(self, x):
        return keras.ops.softmax(self.last(keras.ops.relu(self.first(x))))


@register
class Unfollowed(Model):
    """Its call does with numbers what no symbol can do."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.steps = [L.Dense(3), L.Dense(4)]
        self.out = L.Dense(3)

    def call(self, x):
        for step in self.steps if float(keras.ops.sum(x)) >= 0 else ():
            x = step(x)
        return self.out(x)


@only_keras3
@pytest.mark.parametrize(
    "build, expected",
    [
        (lambda: CASES["subclassed"].build(), ["head"]),
        (lambda: CASES["subclassed_flat"].build(), ["last"]),
        (lambda: CASES["subclassed_with_dicts"].build(), ["outs/x", "outs/y"]),
        (lambda: zoo.called(Branches(), (4,)), ["out", "top/last"]),
        (lambda: zoo.called(Branches(merged=True), (4,)), []),
        (lambda: CASES["subclassed_in_a_graph"].build(), ["dense"]),
        (lambda: zoo.called(Unfollowed(), (4,)), ["out"]),  # the last that was made
        (lambda: _graph_that_ends_in(Top(name="top")), ["top/last"]),
        (lambda: _graph_that_ends_in(zoo.Flat(name="top")), ["top/last"]),
    ],
)
def test_head_of_a_subclassed_model(build, expected):
    model = build()
    assert sorted(heads(model)) == expected
    if not isinstance(model, Unfollowed):
        assert sorted(heads(lottery.wrap(model))) == expected


def _graph_that_ends_in(layer):
    x = Input((4,))
    return Model(x, layer(L.Dense(4, name="stem")(x)))


def test_the_head_is_found_in_a_wrapped_model_too():
    for prune_head in (False, True):
        assert heads(lottery.wrap(_head_in_nested(), prune_head=prune_head)) == ["top/logits"]


def test_frozen_layers_stay_dense_and_frozen():
    model = net()
    model.get_layer("mid").trainable = False
    model.get_layer("body").get_layer("inner").trainable = False
    rows = {row["path"]: row for row in lottery.summary(model)}
    assert (
        rows["mid/kernel"]["reason"]
        == rows["body/inner/dense/kernel"]["reason"]
        == "frozen (trainable is False)"
    )
    wrapped = lottery.wrap(model)
    assert set(lottery.masks(wrapped)) == ALL - {"mid/kernel", "body/inner/dense/kernel"}
    for copy in (wrapped, lottery.strip(wrapped)):
        assert {path: layer.trainable for path, layer in walk.layers(copy).items()} == {
            path: layer.trainable for path, layer in walk.layers(model).items()
        }
        assert len(copy.trainable_weights) == len(model.trainable_weights)


def test_frozen_below_a_layer_that_says_nothing_of_it():
    """A layer's config does not know that a layer inside it is frozen."""
    x = Input((3, 2))
    both = L.Bidirectional(L.GRU(2), name="both")
    model = Model(x, L.Dense(2, name="head")(both(x)))
    both.backward_layer.trainable = False
    wrapped = lottery.wrap(model)
    assert set(lottery.masks(wrapped)) == {
        "both/forward_layer/cell/kernel",
        "both/forward_layer/cell/recurrent_kernel",
    }
    assert len(wrapped.trainable_weights) == len(model.trainable_weights) == 5
    assert len(lottery.strip(wrapped).trainable_weights) == 5


def test_a_frozen_model_has_nothing_to_prune():
    model = net()
    model.trainable = False
    with pytest.raises(lottery.LotteryError, match="nothing to prune in .*frozen"):
        lottery.wrap(model)


def test_summary_is_data_and_is_printed(capsys):
    model = lottery.wrap(net(), skip="mid")
    zoo.tighten(model, 0.5)
    capsys.readouterr()
    rows = lottery.summary(model)
    printed = capsys.readouterr().out
    assert [row["path"] for row in rows] == list(walk.variables(model))
    rows = {row["path"]: row for row in rows}
    assert {path for path, row in rows.items() if row["pruned"]} == ALL - {"mid/kernel"}
    assert rows["stem/kernel"] == {
        "path": "stem/kernel",
        "shape": (1, 1, 2, 2),
        "size": 4,
        "pruned": True,
        "reason": "",
        "sparsity": 1 - lottery.masks(model)["stem/kernel"].mean(),
    }
    assert rows["body/conv/depthwise_kernel"]["reason"] == "dense unless include=SeparableConv2D asks for it"
    assert rows["mid/kernel"]["reason"] == "left out when wrapped"
    assert rows["mid/bias"]["reason"] == "bias, scale or shift"
    assert "head" in rows["out/kernel"]["reason"] and rows["out/kernel"]["sparsity"] == 0
    for path in rows:
        assert path.rsplit("/", 1)[0][:12] in printed


def test_reason_of_a_layer_that_names_nothing():
    reasons = {row["path"]: row["reason"] for row in lottery.summary(CASES["custom_nameless"].build())}
    assert reasons["l0/w"] == "no kernel that is known, and Nameless has no get_prunable_weights() to name it"
    reasons = {row["path"]: row["reason"] for row in lottery.summary(CASES["custom_named"].build())}
    assert reasons["l0/v"] == "not named by Named.get_prunable_weights()"


def test_sparsity_of_wrapped_stripped_and_plain(tmp_path):
    model = lottery.wrap(net())
    assert lottery.sparsity(model) == 0
    zoo.tighten(model, 0.75)
    size = sum(mask.size for mask in lottery.masks(model).values())
    assert lottery.sparsity(model) == zoo.masked(model) / size == round(0.75 * size) / size
    stripped = lottery.strip(model)
    assert lottery.sparsity(stripped) == lottery.sparsity(model)
    assert set(lottery.prunable(stripped)) == set(lottery.prunable(model)) == ALL
    stripped.save(tmp_path / "s.keras")
    assert lottery.sparsity(world.load_model(tmp_path / "s.keras")) == lottery.sparsity(model)
    assert lottery.sparsity(net()) == 0


def test_wrapping_a_wrapped_model_anew():
    """With other settings; but a search would not see that the zeros of a pruned one were masks."""
    model = lottery.wrap(net())
    assert set(lottery.masks(lottery.wrap(model, skip="mid"))) == ALL - {"mid/kernel"}
    zoo.tighten(model, 0.5)
    with pytest.raises(lottery.LotteryError, match=r"is pruned already \(50.0%\): wrap the dense model anew"):
        lottery.wrap(model, skip="mid")
    again = lottery.wrap(lottery.strip(model), skip="mid")
    stems = [array(lottery.prunable(m)["stem/kernel"]).tolist() for m in (again, model)]
    assert stems[0] == stems[1] and zoo.masked(again) == 0


def test_a_stripped_model_trains_dense_and_is_independent():
    model = lottery.wrap(net())
    zoo.tighten(model, 0.75)
    stripped = lottery.strip(model)
    x, y = zoo.data(stripped)
    stripped.compile("adam", "mse", run_eagerly=world.EAGER)
    stripped.train_on_batch(x, y)
    assert (
        lottery.sparsity(stripped) < (0.3 if KERAS3 else 0.1) and zoo.drift(model) == 0
    )  # some ReLUs are off


@register
class Subclassed(Model):
    def __init__(self):
        super().__init__()
        self.dense = L.Dense(2)

    def call(self, x):
        return self.dense(x)


class OwnStep(Model):
    """A functional model with its own train_step and no constructor of its own: a copy keeps it."""

    def train_step(self, batch):
        self.steps = getattr(self, "steps", 0) + 1
        return super().train_step(batch)


class OwnConstructor(Model):
    def __init__(self):
        x = Input((4,))
        super().__init__(x, L.Dense(2)(L.Dense(3)(x)))

    def train_step(self, batch):
        return super().train_step(batch)


class OwnSequential(Sequential):
    def compute_loss(self, *args):
        return 2 * super().compute_loss(*args)


class OwnCall(Model):
    def __init__(self, width):
        x = Input((4,))
        super().__init__(x, L.Dense(width)(x))

    def call(self, x, training=None):
        return 2 * super().call(x)


def _nested_with_its_own_call(kind=OwnCall):
    x = Input((4,))
    own = kind(3)
    setattr(own, "name" if KERAS3 else "_name", "own")
    return Model(x, L.Dense(2)(own(x)))


@only_tf_keras
def test_a_models_own_train_step_survives():
    x = Input((4,))
    wrapped = lottery.wrap(OwnStep(x, L.Dense(2)(L.Dense(3)(x))))
    wrapped.compile("adam", "mse", run_eagerly=True)
    wrapped.train_on_batch(np.zeros((2, 4)), np.zeros((2, 2)))
    assert wrapped.steps == 1


@register
class OwnWeight(Model):
    """A functional model with a weight of its own, as a learnt temperature is."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.scale = self.add_weight(name="scale", shape=(), initializer="ones")


def test_a_weight_of_a_functional_model_itself_is_part_of_its_state():
    x = Input((4,))
    model = OwnWeight(x, L.Dense(2)(L.Dense(3)(x)))
    model.scale.assign(2.0)
    if not KERAS3:  # where a copy is made as Model(inputs, outputs)
        with pytest.raises(lottery.LotteryError, match="has another 'scale' than"):
            lottery.wrap(model)
        return
    wrapped = lottery.wrap(model)
    handle = lottery.engines.of(wrapped)
    state = handle.values()
    assert state["scale"] == 2 and len(state) == 5
    handle.variables()["scale"].assign(3.0)
    handle.load_state(state)
    assert array(lottery.strip(wrapped).scale) == 2


@register
class Untold(L.Layer):
    """A layer that does not say what it gives, so that a Sequential around it has no graph."""

    def call(self, x):
        return x

    def compute_output_spec(self, x):
        raise NotImplementedError


@only_keras3
def test_a_sequential_without_a_graph():
    model, x = Sequential([L.Dense(3, name="a"), Untold(), L.Dense(2, name="b")]), np.ones((2, 4), "float32")
    outputs = model(x)
    wrapped = lottery.wrap(model)
    assert list(lottery.masks(wrapped)) == ["a/kernel"] and zoo.same([array(wrapped(x))], [array(outputs)])


def _no_kernel():
    x = Input((4,))
    return Model(x, L.LayerNormalization()(x))


class WithoutKwargs(Model):
    """As most are written; Keras 3 itself cannot make it again from its config."""

    def __init__(self):
        super().__init__()
        self.a, self.b = L.Dense(3), L.Dense(2)

    def call(self, x):
        return self.b(self.a(x))


@only_keras3
def test_what_keras_3_wraps_that_tf_keras_does_not():
    model = lottery.wrap(_nested_with_its_own_call(OwnCallFromConfig))
    assert set(lottery.masks(model)) == {"own/kernel"}
    x, _ = zoo.data(model)
    plain = lottery.strip(model)
    assert type(plain.get_layer("own")) is OwnCallFromConfig and zoo.same(
        zoo.outputs(plain, x), zoo.outputs(model, x)
    )


class OwnCallFromConfig(L.Dense):
    def call(self, x):
        return 2 * super().call(x)


def _wrapped_by_tfmot():
    import tensorflow_model_optimization as tfmot

    return tfmot.sparsity.keras.prune_low_magnitude(Sequential([L.Dense(3, input_shape=(4,)), L.Dense(2)]))


REFUSED = (
    [
        (
            lambda: zoo.called(OwnConstructor(), (4,)),
            "OwnConstructor has its own train_step, which a wrapped model would not call",
        ),
        (
            lambda: OwnSequential([Input((4,)), L.Dense(3), L.Dense(2)]),
            "OwnSequential has its own compute_loss",
        ),
        *[
            (
                lambda: zoo.called(Unfollowed(), (4,)),
                "has another 'steps/0/kernel' than .* built by a call on symbolic tensors",
            )
        ]
        * (world.BACKEND != "torch"),  # which tries the call on zeros
        (
            lambda: zoo.called(WithoutKwargs(), (4,)),
            "cannot be copied .* got an unexpected keyword argument 'trainable'",
        ),
        (lambda: _nested_with_its_own_call(), "cannot be copied .* got an unexpected keyword argument"),
        (Subclassed, "'subclassed' is not built"),
    ]
    if KERAS3
    else [
        (Subclassed, "'Subclassed' is a subclassed tf_keras model"),
        (OwnConstructor, "OwnConstructor has its own train_step, which a copy of .* would lose"),
        (
            lambda: OwnSequential([L.Dense(3, input_shape=(4,)), L.Dense(2)]),
            "OwnSequential has its own compute_loss",
        ),
        (_nested_with_its_own_call, "OwnCall has its own call"),
        (_wrapped_by_tfmot, "TF-MOT's own wrapper 'prune_low_magnitude_.*strip_pruning"),
    ]
)


@pytest.mark.parametrize(
    "build, said",
    REFUSED
    + [
        (lambda: Sequential([L.Dense(3), L.Dense(2)]), "is not built"),
        (lambda: Sequential([]), "is not built|no weights"),
        (_no_kernel, "nothing to prune in .*bias, scale or shift"),
        (_branch(), "nothing to prune in .*output layer"),
        (lambda: L.Dense(3), "expected a Keras model, got Dense"),
        (lambda: "model.keras", "expected a Keras model, got str"),
        (lambda: None, "expected a Keras model, got NoneType"),
    ],
)
@pytest.mark.parametrize("call", [lottery.wrap, lottery.strip], ids=["wrap", "strip"])
def test_models_that_are_refused(build, said, call):
    if call is lottery.strip and (
        "nothing to prune" in said or "would not call" in said or KERAS3 and "compute_loss" in said
    ):
        pytest.skip("strip has nothing to choose, and no step")
    with pytest.raises(lottery.LotteryError, match=said) as told:
        call(build())
    assert "\n" not in str(told.value)


def _adapted(layer, data):
    layer.adapt(data)
    first = Input((1,), dtype="string" if isinstance(data[0], str) else "int64")
    return Sequential([first, layer, L.Embedding(20, 4), L.Flatten(), L.Dense(5), L.Dense(3)])


@pytest.mark.skipif(world.BACKEND != "tensorflow", reason="they compute with TensorFlow")
@pytest.mark.parametrize(
    "layer, data, given",
    [
        (lambda **k: L.IntegerLookup(**k), np.arange(5), {"vocabulary": [1, 3]}),
        (
            lambda **k: L.TextVectorization(output_sequence_length=4, **k),
            ["a b", "c"],
            {"vocabulary": ["a", "c"]},
        ),
        (
            lambda **k: L.Discretization(**(k or {"num_bins": 4})),
            np.arange(50.0),
            {"bin_boundaries": [1.0, 4.0]},
        ),
    ],
    ids=["lookup", "text", "bins"],
)
def test_what_adapt_taught_a_layer_is_not_lost(layer, data, given):
    with pytest.raises(lottery.LotteryError, match="learnt by adapt.*pipeline, or give its constructor"):
        lottery.wrap(_adapted(layer(), data))
    first = Input((1,), dtype="string" if isinstance(data[0], str) else "int64")
    model = Sequential([first, layer(**given), L.Embedding(20, 4), L.Flatten(), L.Dense(5), L.Dense(3)])
    assert len(lottery.masks(lottery.wrap(model))) == 1


@only_keras3
def test_classes_of_one_name_are_told_apart_or_refused():
    def make(factor):
        class Scale(L.Layer):
            def call(self, x):
                return x * factor

        return Scale

    with pytest.raises(
        lottery.LotteryError, match="two classes or functions in .* are called 'Scale'.*rename one"
    ):
        lottery.wrap(Sequential([Input((4,)), make(2.0)(), L.Dense(5), make(3.0)(), L.Dense(2)]))


FACTOR = 3.0


def test_functions_of_lambdas_keep_their_globals():
    inner = 2.0
    model = Sequential([Input((4,)), L.Dense(5), L.Lambda(lambda x: x * FACTOR + inner), L.Dense(2)])
    x, _ = zoo.data(model)
    for copy in (lottery.wrap(model), lottery.strip(lottery.wrap(model))):
        assert zoo.same(zoo.outputs(copy, x), zoo.outputs(model, x))


def test_a_layer_that_cannot_be_copied():
    class Closed(L.Layer):
        def __init__(self, dense):
            super().__init__(name="closed")
            self.dense = dense

        def call(self, x):
            return self.dense(x)

    said = (
        "cannot be copied .* Object Closed"
        if KERAS3
        else r"layer 'closed' \(Closed\) cannot be copied from its config"
    )
    x = Input((4,))
    with pytest.raises(lottery.LotteryError, match=said) as told:
        lottery.wrap(Model(x, L.Dense(2)(Closed(L.Dense(3))(x))))
    assert "must override `get_config()`" in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize(
    "size, said",
    [
        (3, "has another 'owns/kernel' than"),
        (9, "cannot be copied .* in owns" if not KERAS3 else "cannot be copied .* output size"),
    ],
)
def test_a_layer_whose_config_leaves_something_out(size, said):
    class Forgets(L.Conv2D):
        def __init__(self, filters, size=size, **kwargs):
            super().__init__(filters, size, **kwargs)

        def get_config(self):
            return {"filters": self.filters, "name": self.name}

    x = Input((4, 4, 1))
    y = L.GlobalAveragePooling2D()(Forgets(2, 2, name="owns")(x))
    with pytest.raises(lottery.LotteryError, match=said) as told:
        lottery.wrap(Model(x, L.Dense(2)(y)))
    assert "\n" not in str(told.value)


def test_unknown_scope():
    with pytest.raises(lottery.LotteryError, match="scope='weights' is unknown"):
        lottery.wrap(net(), scope="weights")


def test_a_schedule_of_another_kind():
    with pytest.raises(lottery.LotteryError, match="schedule is a str: give a LotterySchedule"):
        lottery.wrap(net(), schedule="cosine")


def test_no_masks_to_show():
    for model in (net(), lottery.strip(lottery.wrap(net()))):
        with pytest.raises(lottery.LotteryError, match="has no masks: wrap it first"):
            lottery.masks(model)

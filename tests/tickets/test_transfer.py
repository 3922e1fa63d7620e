"""transfer: every surviving weight comes along bit for bit and trains, zeros hold, the head is new and
dense."""

import numpy as np
import pytest
from small import ENGINE, LOGITS, L, arrays, bits, compiled, conv, dense, search, state_of
from world import KIND, array, keras, matrix_on, set_policy, skip_unless

import keras_lottery as lottery
from keras_lottery import engines, models
from keras_lottery.core import files
from keras_lottery.core.masking import prune
from keras_lottery.experiments import controls, optimizers
from keras_lottery.tickets.ticket import Ticket, from_model

pytestmark = pytest.mark.keras3


@pytest.fixture(scope="module")
def tickets(tmp_path_factory):
    """Of a dense net, of one with a pruned head, and of a convolution net; with their run folder."""
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for name, model, data, wrap in (
        ("dense", dense(), arrays(), {}),
        ("head", dense(), arrays(), {"prune_head": True}),
        ("conv", conv(), images(), {}),
    ):
        found[name] = search(compiled(lottery.wrap(model, **wrap)), data, rewind=2, run_dir=folder / name)
    return found, folder


def images(shape=(8, 8, 1), classes=5, examples=64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(examples, *shape)).astype("float32"), np.arange(examples) % classes


def check_carried(student, values, masks, new=("head/",)):
    """Bit for bit what `values` holds but at the paths `new`, which have no masks."""
    now = state_of(student)
    carried = {path: value for path, value in values.items() if not path.startswith(new)}
    assert bits({path: now[path] for path in carried}) == bits(carried)
    assert bits(lottery.masks(student)) == bits(
        {path: mask for path, mask in masks.items() if not path.startswith(new)}
    )


def check_trains(student, data, frozen=()):
    """Zeros hold at every step; every surviving weight moves."""
    masks, before = lottery.masks(student), state_of(student)
    compiled(student, keras.optimizers.Adam(0.02, weight_decay=0.01), run_eagerly=False)
    for _ in range(3):
        student.train_on_batch(*data)
        for path, weight in lottery.prunable(student).items():
            assert not array(weight)[~masks[path]].any()
    after = state_of(student)
    for path in ENGINE.variables(student):
        moved = after[path] != before[path]
        if frozen and path.startswith(frozen):
            assert not moved.any(), path
        elif path in masks:
            assert moved[masks[path]].all(), path
        else:
            assert moved.any(), path


@pytest.mark.quick("conv-rewind", "conv-random", "head-random")
@pytest.mark.parametrize("start", ["rewind", "trained", "random"])
@pytest.mark.parametrize("name", ["dense", "head", "conv"])
def test_starts(tickets, name, start):
    ticket = tickets[0][name]
    data = images(classes=4) if name == "conv" else (arrays()[0], arrays(classes=4)[1])
    keras.utils.set_random_seed(7)  # not that of the search, or newly drawn weights are the ticket's own
    student = lottery.transfer(ticket, num_classes=4, start=start)
    head = state_of(student)["head/kernel"]
    assert head.shape[-1] == 4 and np.count_nonzero(head) == head.size
    assert not any(path.startswith("head/") for path in lottery.masks(student))
    if start == "random":
        now = state_of(student)
        for path, mask in ticket.masks.items():
            if not path.startswith("head/"):
                assert (
                    np.array_equal(now[path] != 0, mask)
                    and not np.isin(now[path][mask], ticket.weights[path]).any()
                )
    else:
        check_carried(student, ticket.weights if start == "rewind" else ticket.trained, ticket.masks)
    check_trains(student, data)
    assert lottery.sparsity(lottery.strip(student)) == pytest.approx(lottery.sparsity(student))


def test_freezing_trains_the_head_alone(tickets):
    ticket = tickets[0]["conv"]
    with pytest.warns(UserWarning, match="linear probes of tickets collapse"):
        student = lottery.transfer(ticket, num_classes=4, freeze_backbone=True)
    head = student.get_layer("head")
    assert list(map(id, student.trainable_weights)) == [id(head.kernel), id(head.bias)]
    check_trains(student, images(classes=4), frozen=("c1", "bn", "c2"))
    assert lottery.transfer(ticket, num_classes=4).get_layer("c2").trainable


def test_a_head_of_one_score(tickets):
    student = lottery.transfer(tickets[0]["conv"], num_classes=1)
    assert (
        student.output_shape == (None, 1) and lottery.masks(student).keys() == tickets[0]["conv"].masks.keys()
    )


@matrix_on("tf_keras")
def test_other_input_size_and_channels(tickets):
    ticket = tickets[0]["conv"]
    student = lottery.transfer(ticket, num_classes=3, input_shape=(13, 11, 1))
    assert student.input_shape == (None, 13, 11, 1)
    check_carried(student, ticket.weights, ticket.masks)
    check_trains(student, images((13, 11, 1), 3))
    with pytest.warns(UserWarning, match="another number of channels: c1/kernel is new and dense"):
        student = lottery.transfer(ticket, num_classes=3, input_shape=[8, 8, 3])
    check_carried(student, ticket.weights, ticket.masks, new=("head/", "c1/"))
    kernel = state_of(student)["c1/kernel"]
    assert kernel.shape == (3, 3, 3, 6) and np.count_nonzero(kernel) == kernel.size
    check_trains(student, images((8, 8, 3), 3))


@matrix_on("tf_keras")
def test_what_follows_the_head_is_new_with_it():
    """An all-convolutional net that ends in BatchNorm and pooling."""
    model = keras.Sequential(
        [
            L.Input((8, 8, 1)),
            L.Conv2D(6, 3, activation="relu", name="c1"),
            L.Conv2D(5, 1, name="head"),
            L.BatchNormalization(name="bn"),
            L.GlobalAveragePooling2D(),
        ]
    )
    ticket = search(compiled(model), images(), epochs=1, rounds=1)
    for input_shape in (None, (12, 12, 1)):
        student = lottery.transfer(ticket, num_classes=3, input_shape=input_shape)
        check_carried(student, ticket.weights, ticket.masks, new=("head/", "bn/"))
    check_trains(student, images((12, 12, 1), 3))


def test_a_pruned_head_in_blocks_is_replaced():
    model = keras.Sequential([L.Input((8,)), L.Dense(12, "relu", name="a"), L.Dense(3, name="head")])
    ticket = search(compiled(lottery.wrap(model, block=4, prune_head=True)), arrays(), epochs=1, rounds=1)
    student = compiled(lottery.transfer(ticket, num_classes=4))
    masks, how = lottery.masks(student), ENGINE.settings(student)[1]
    assert lottery.masks(student).keys() == how["blocks"].keys() == {"a/kernel"}
    assert (prune(masks, masks, 0.75, **how)["a/kernel"] <= masks["a/kernel"]).all()


@matrix_on("tf_keras")
def test_nested_models(tmp_path):
    """Backbone and head each a model in the model; the ticket through its folder."""
    backbone = keras.Sequential(
        [L.Input((8,)), L.Dense(12, "relu", name="a"), L.Dense(10, "relu", name="b")], name="backbone"
    )
    top = keras.Sequential(
        [L.Input((10,)), L.Dense(9, "relu", name="c"), L.Dense(3, name="logits")], name="top"
    )
    inputs = L.Input((8,))
    ticket = search(compiled(keras.Model(inputs, top(backbone(inputs)))), epochs=1)
    assert ticket.heads == ["top/logits"] and set(ticket.masks) == {
        "backbone/a/kernel",
        "backbone/b/kernel",
        "top/c/kernel",
    }
    ticket.save(tmp_path / "t")
    student = lottery.transfer(lottery.load_ticket(tmp_path / "t"), num_classes=4)
    assert student.output_shape == (None, 4)
    check_carried(student, ticket.weights, ticket.masks, new=("top/logits",))
    check_trains(student, (arrays()[0], arrays(classes=4)[1]))


@matrix_on("tf_keras")
def test_another_input_reaches_a_nested_model():
    backbone = conv()
    inputs = L.Input((8, 8, 1))
    model = keras.Model(inputs, L.Dense(5, name="logits")(backbone(L.Rescaling(0.5)(inputs))))
    ticket = search(compiled(model), images(), epochs=1, rounds=1)
    student = lottery.transfer(ticket, num_classes=3, input_shape=(12, 10, 1))
    check_carried(student, ticket.weights, ticket.masks, new=("logits/",))
    check_trains(student, images((12, 10, 1), 3))
    with pytest.warns(UserWarning, match="conv/c1/kernel is new and dense"):
        student = lottery.transfer(ticket, num_classes=3, input_shape=(8, 8, 3))
    check_trains(student, images((8, 8, 3), 3))


@matrix_on("tf_keras")
@pytest.mark.quick("Softmax layer", "Activation layer, then a cast", "logits")
@pytest.mark.parametrize(
    "ending",
    [
        "softmax in the Dense",
        "Softmax layer",
        "Activation layer, then a cast",
        "nested",
        "then Flatten",
        "logits",
    ],
)
def test_loss_follows_the_last_activation(ending):
    """A softmax of a softmax trains badly and shows no error."""
    layers = {
        "softmax in the Dense": [L.Dense(3, "softmax", name="head")],
        "Softmax layer": [L.Dense(3, name="head"), L.Softmax()],
        "Activation layer, then a cast": [
            L.Dense(3, name="head"),
            L.Activation("softmax"),
            L.Activation("linear", dtype="float32"),
        ],
        "nested": [keras.Sequential([L.Input((12,)), L.Dense(3, "softmax", name="head")], name="top")],
        "then Flatten": [L.Dense(3, "softmax", name="head"), L.Flatten()],
        "logits": [L.Dense(3, name="head")],
    }[ending]
    ticket = search(
        compiled(keras.Sequential([L.Input((8,)), L.Dense(12, "relu", name="a"), *layers])),
        epochs=1,
        rounds=1,
    )
    student = lottery.transfer(ticket, num_classes=4)
    optimizers.compile_classifier(student, "sgd")
    assert student.loss.get_config()["from_logits"] == (ending == "logits")
    x, y = arrays(classes=4)
    output = student.predict(x, verbose=0)
    log = output - np.log(np.exp(output).sum(-1, keepdims=True)) if ending == "logits" else np.log(output)
    assert student.evaluate(x, y, verbose=0)[0] == pytest.approx(-log[np.arange(len(y)), y].mean(), rel=1e-5)


@matrix_on("tf_keras")
@pytest.mark.quick("mixed_bfloat16-float32")
@pytest.mark.parametrize(
    "there, here",
    [("mixed_bfloat16", "float32"), ("float32", "mixed_bfloat16"), ("mixed_float16", "float32")],
)
def test_precision_may_change_on_the_way(there, here, tmp_path):
    set_policy(there)
    ticket = search(compiled(conv(dtype="float32")), images(), epochs=1, rewind=1)
    assert {value.dtype for value in ticket.weights.values()} == {np.dtype("float32")}
    ticket.save(tmp_path / "t")
    set_policy(here)
    student = lottery.transfer(lottery.load_ticket(tmp_path / "t"), num_classes=4)
    check_carried(student, ticket.weights, ticket.masks)
    assert student.get_layer("c2").compute_dtype == here.removeprefix("mixed_")
    assert student.outputs[0].dtype == "float32"
    check_trains(student, images(classes=4)) if here == "float32" else student.predict(images()[0], verbose=0)


@matrix_on("tf_keras")
def test_controls(tickets):
    """Each control is what it says: same counts, dense weights of the rewind point, nothing of the ticket
    where it must not be."""
    found, folder = tickets
    ticket, first = found["conv"], lottery.load_ticket(folder / "conv" / "round_00")
    rewind, _ = files.read_arrays(folder / "conv" / "rewind.safetensors")
    students = {
        control: controls.student(control, ticket, first, num_classes=4, seed=3)
        for control in controls.CONTROLS
    }
    check_carried(students["ticket"], ticket.weights, ticket.masks)
    check_carried(students["trained"], ticket.trained, ticket.masks)
    check_carried(students["dense-transferred"], first.trained, first.masks)
    drawn = lottery.masks(students["random"])
    for path, mask in ticket.masks.items():
        assert drawn[path].sum() == mask.sum() and not np.array_equal(drawn[path], mask)
        weights = state_of(students["random"])[path]
        assert np.array_equal(weights, np.where(drawn[path], rewind[path], 0))
        assert np.array_equal(
            rewind[path][mask], ticket.weights[path][mask]
        )  # of the same rewind point as the ticket's
        assert np.array_equal(lottery.masks(students["reinit"])[path], mask)
    assert all(mask.all() for mask in lottery.masks(students["dense-scratch"]).values())
    assert bits(lottery.masks(controls.student("random", ticket, first, num_classes=4, seed=3))) == bits(
        drawn
    )
    assert bits(lottery.masks(controls.student("random", ticket, first, num_classes=4, seed=4))) != bits(
        drawn
    )


def lenet_ticket():
    return search(
        compiled(models.build("lenet", (8, 8, 1), 5, width=0.05, keras=KIND)), images(), epochs=1, rounds=1
    )


def merged_ticket():
    inputs = L.Input((8,))
    a, b = L.Dense(4, name="p")(inputs), L.Dense(4, name="q")(inputs)
    return search(
        compiled(keras.Model(inputs, L.Add()([a, b])), loss=LOGITS), arrays(classes=4), epochs=1, rounds=1
    )


MISTAKES = {
    "lenet at another size": (
        lambda t: lottery.transfer(lenet_ticket(), num_classes=5, input_shape=(9, 9, 1)),
        "does not fit this architecture: dense1/kernel would be .* Resize",
    ),
    "no class": (
        lambda t: lottery.transfer(t["conv"], num_classes=0),
        "num_classes=0 is impossible: give a whole number from 1 up",
    ),
    "classes as text": (
        lambda t: lottery.transfer(t["conv"], num_classes="ten"),
        "num_classes='ten' is impossible",
    ),
    "half a class": (lambda t: lottery.transfer(t["conv"], num_classes=2.5), "num_classes=2.5"),
    "start": (
        lambda t: lottery.transfer(t["conv"], num_classes=3, start="dense"),
        "start='dense' is unknown: choose 'rewind', 'trained', 'random'",
    ),
    "no trained weights": (
        lambda t: lottery.transfer(
            Ticket(**{**vars(t["conv"]), "trained": None}), num_classes=3, start="trained"
        ),
        "without trained weights",
    ),
    "shape with the batch": (
        lambda t: lottery.transfer(t["conv"], num_classes=3, input_shape=(None, 8, 8, 1)),
        r"input_shape=\(None, 8, 8, 1\) is impossible",
    ),
    "shape of too many axes": (
        lambda t: lottery.transfer(t["conv"], num_classes=3, input_shape=(8, 8, 8, 1)),
        "has 4 axes",
    ),
    "shape as a number": (
        lambda t: lottery.transfer(t["conv"], num_classes=3, input_shape=8),
        "input_shape=8 is impossible",
    ),
    "shape of zero": (
        lambda t: lottery.transfer(t["conv"], num_classes=3, input_shape=(0, 8, 1)),
        r"input_shape=\(0, 8, 1\) is impossible",
    ),
    "no head to replace": (
        lambda t: lottery.transfer(merged_ticket(), num_classes=3),
        "0 output layers .*: transfer needs exactly one",
    ),
    "no ticket": (
        lambda t: lottery.transfer("runs/a", num_classes=3),
        "ticket is a str: give a Ticket, as load_ticket",
    ),
    "unknown control": (
        lambda t: controls.student("randon", t["conv"], None, num_classes=3),
        "control='randon' is unknown.*Did you mean 'random'",
    ),
    "control without dense": (
        lambda t: controls.student("random", t["conv"], None, num_classes=3),
        "needs the dense weights",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_one_line(name, tickets):
    call, said = MISTAKES[name]
    with pytest.raises(lottery.LotteryError, match=said) as error:
        call(tickets[0])
    assert "\n" not in str(error.value)


@pytest.mark.matrix
@skip_unless("tf_keras", reason="Keras 3 knows these layers by name")
def test_stock_convnext_comes_back_from_its_file(tmp_path):
    from tf_keras.src.applications.convnext import ConvNeXt

    net = ConvNeXt(
        depths=[1, 1, 1, 1],
        projection_dims=[4] * 4,
        drop_path_rate=0.1,
        default_size=32,
        model_name="cn",
        weights=None,
        input_shape=(32, 32, 3),
        classes=3,
    )
    model = lottery.wrap(net)
    from_model(model, engines.of(model).values(), []).save(tmp_path / "ticket")
    student = lottery.transfer(lottery.load_ticket(tmp_path / "ticket"), num_classes=5)
    assert student.output_shape == (None, 5)
    carried, had = engines.of(student).values(), engines.of(model).values()
    assert all(
        np.array_equal(carried[path], value)
        for path, value in had.items()
        if not path.startswith("cn_head_dense")
    )

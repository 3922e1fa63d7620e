"""A ticket comes back from its folder bit for bit, is as small as it can be, and never comes back wrong or
runs code."""

import dataclasses
import gzip
import json
import pickle
import tracemalloc

import numpy as np
import pytest
from small import (
    L,
    arrays,
    bits,
    compiled,
    dense,
    everything,
    files,
    noisy,
    pruned_ticket,
    python,
    search,
    state_of,
)
from world import KERAS3, KIND, keras, matrix_on, runs_on, skip_unless

import keras_lottery as lottery
from keras_lottery import engines, models
from keras_lottery.core.errors import LotteryError
from keras_lottery.tickets.ticket import Ticket, from_model
from keras_lottery.tickets.ticket_file import checksum as _checksum

pytestmark = pytest.mark.keras3

FILES = [
    "architecture.json.gz",
    "masks.safetensors.gz",
    "ticket.json",
    "trained.safetensors",
    "weights.safetensors",
]


# Beside float32; JAX makes 32 bits of 64 and PyTorch has no numbers for NumPy's bfloat16.
DTYPES = ["float16", "bfloat16", "float64", "int64", "int32", "uint8", "bool"]
if runs_on("jax"):
    DTYPES = [dtype for dtype in DTYPES if "64" not in dtype]


@keras.utils.register_keras_serializable("tickets")
class Many(L.Layer):
    """A prunable kernel beside variables of every kind."""

    def __init__(self, units=5, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], self.units))
        for dtype in DTYPES:
            value = np.array([[0.1, 3.7, 0.0]]).astype("float32" if dtype == "bfloat16" else dtype)
            start = "ones" if dtype == "bool" else keras.initializers.Constant(value)
            setattr(
                self,
                dtype,
                self.add_weight(name=dtype, shape=(1, 3), dtype=dtype, initializer=start, trainable=False),
            )
        self.scalar = self.add_weight(name="scalar", shape=(), initializer="ones", trainable=False)

    def get_prunable_weights(self):
        return [self.kernel]

    def call(self, x):
        return x @ self.kernel * self.scalar

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@pytest.mark.parametrize("trained", [True, False])
def test_round_trip_is_exact(tmp_path, trained):
    record = {
        "round": 0,
        "sparsity": 0.9,
        "kept": 1,
        "total": 9,
        "metrics": {"loss": float("nan"), "acc": 0.5},
    }
    ticket = pruned_ticket(
        keras.Sequential([L.Input((4,)), Many(), L.Dense(6), L.Dense(3)]), trained=trained, rounds=[record]
    )
    assert {np.asarray(v).dtype.name for v in ticket.weights.values()} == {"float32", *DTYPES}
    ticket.save(tmp_path / "t")
    loaded = lottery.load_ticket(tmp_path / "t")
    assert everything(loaded) == everything(ticket) and loaded.sparsity == ticket.sparsity
    assert list(loaded.masks) == list(ticket.masks)
    assert loaded.rounds[0]["metrics"] == {"loss": None, "acc": 0.5}
    for path, mask in loaded.masks.items():
        assert (
            mask.dtype == bool
            and not np.signbit(loaded.weights[path][~mask]).any()
            and not loaded.weights[path][~mask].any()
        )
    again = tmp_path / "again"
    loaded.save(again)
    assert {k: v for k, v in files(again).items() if k != "README.md"} == {
        k: v for k, v in files(tmp_path / "t").items() if k != "README.md"
    }
    card = (tmp_path / "t" / "README.md").read_text()
    assert (
        "\n# t\n" in card and "| data.classes | a\\|b, c |" in card and "| 0 | 0.9000 |  | 0.5000 |" in card
    )
    ticket.save(tmp_path / "small", trained=False)
    assert lottery.load_ticket(tmp_path / "small").trained is None
    assert bits(lottery.load_ticket(tmp_path / "small").weights) == bits(ticket.weights)


def test_trained_weights_that_a_training_starts_from_are_saved_once(tmp_path):
    ticket = pruned_ticket(dense())
    ticket = dataclasses.replace(ticket, trained=ticket.weights)
    ticket.save(tmp_path / "once")
    assert "trained.safetensors" not in files(tmp_path / "once")
    loaded = lottery.load_ticket(tmp_path / "once")
    assert bits(loaded.start("trained")) == bits(loaded.start("rewind")) == bits(ticket.weights)
    assert "| weights | trained; a transfer starts from them |" in (tmp_path / "once/README.md").read_text()
    loaded.save(tmp_path / "again")
    assert lottery.load_ticket(tmp_path / "again").trained is not None
    loaded.save(tmp_path / "untold", trained=False)
    assert lottery.load_ticket(tmp_path / "untold").trained is None


def test_the_shipped_ticket_of_learning_rate_rewinding_has_the_weights_that_it_tells_the_accuracy_of():
    ticket = lottery.load_ticket("efficientnet_lite0-sign_digits-95")
    assert ticket.info["test_accuracy"] > 0.99 and bits(ticket.trained) == bits(ticket.weights)


def test_who_gives_the_folder_of_a_run_is_told_a_ticket_in_it(tmp_path):
    for place in ("round_00", "round_01"):
        pruned_ticket(dense()).save(tmp_path / "run" / place)
    with pytest.raises(
        lottery.LotteryError, match="but in folders of it: give one, such as '.*/run/round_01'"
    ):
        lottery.load_ticket(tmp_path / "run")


@pytest.mark.matrix
def test_fresh_process_loads_the_same(tmp_path):
    ticket = search(compiled(noisy()), epochs=1)
    ticket.save(tmp_path / "t")
    model = ticket.model("trained")
    np.savez(tmp_path / "expected", x=arrays()[0], y=model.predict(arrays()[0], verbose=0))
    code = (
        "import numpy as np, keras_lottery as lottery, sys\n"
        "assert 'tensorflow' not in sys.modules\n"
        "there = np.load('expected.npz')\n"
        "model = lottery.load_ticket('t').model('trained')\n"
        "assert np.array_equal(model.predict(there['x'], verbose=0), there['y'])\n"
        "assert lottery.sparsity(model) == 0.75\n"
        f"assert not {KERAS3} or not {{'tf_keras', 'tensorflow_model_optimization'}} & set(sys.modules)\n"
    )
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.matrix
@pytest.mark.parametrize(
    "sparsity, trained", [(0.9, True)] if KERAS3 else [(0.9, True), (0.9, False), (0.5, True)]
)
def test_size_is_what_bits_and_surviving_values_need(tmp_path, sparsity, trained, capsys):
    """Card, JSON and architecture included: 1.1 of one bit a prunable weight, 4 bytes a surviving or dense
    value."""
    metrics = dict(loss=0.123456789, accuracy=0.987654321, val_loss=0.5678912345, val_accuracy=0.912345678)
    rounds = [
        dict(round=n, sparsity=1 - 0.8**n, kept=0, total=1, metrics=metrics, history=[metrics] * 5)
        for n in range(11)
    ]
    ticket = pruned_ticket(models.build("resnet20", (32, 32, 3), 10, keras=KIND), sparsity, trained, rounds)
    ticket.save(tmp_path / "t")
    bitmap = sum(-(-mask.size // 8) for mask in ticket.masks.values())
    values = sum(
        4 * int(ticket.masks[path].sum() if path in ticket.masks else value.size)
        for path, value in ticket.weights.items()
    )
    need = bitmap + values * (2 if trained else 1)
    sizes = {name: len(content) for name, content in files(tmp_path / "t").items()}
    with capsys.disabled():
        print(
            f"\nresnet20 {sparsity:.0%}, trained={trained}: {sum(sizes.values()):,} bytes, "
            f"{sum(sizes.values()) / need:.3f} of {need:,}; {sizes}"
        )
    assert sum(sizes.values()) <= 1.1 * need


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "t"
    pruned_ticket(dense()).save(folder)
    return folder, everything(lottery.load_ticket(folder))


def copied(saved, where):
    where.mkdir()
    for name, content in files(saved[0]).items():
        (where / name).write_bytes(content)
    return where


def refuses(folder, *names):
    with pytest.raises(lottery.LotteryError) as error:
        lottery.load_ticket(folder)
    said = str(error.value)
    assert "\n" not in said and all(name in said for name in names), said


@pytest.mark.parametrize("name", FILES)
def test_cut_flipped_and_missing_files(name, saved, tmp_path):
    file = copied(saved, tmp_path / "t") / name
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        if name != "ticket.json" or size < len(whole) - 1:  # that is its last newline
            refuses(tmp_path / "t", name)
    file.write_bytes(whole + b"x")
    refuses(tmp_path / "t", name)
    for place in {0, 8, len(whole) - 2, *rng.integers(0, len(whole), 40).tolist()}:
        file.write_bytes(
            whole[:place] + bytes([whole[place] ^ (1 << int(rng.integers(8)))]) + whole[place + 1 :]
        )
        try:
            assert (
                everything(lottery.load_ticket(tmp_path / "t")) == saved[1] and name == "ticket.json"
            )  # a blank for a blank
        except lottery.LotteryError as error:
            assert "\n" not in str(error)
    file.unlink()
    refuses(tmp_path / "t", "ticket.json" if name == "ticket.json" else name)


def test_edited_ticket_json(saved, tmp_path):
    file = copied(saved, tmp_path / "t") / "ticket.json"
    content = json.loads(file.read_text())
    for change in (
        {"sparsity": 0.1},
        {"heads": []},
        {"sha256": {}},
        {"format": 3},
        {"checksum": None},
        {"extra": 1},
    ):
        file.write_text(json.dumps({**content, **change}))
        refuses(tmp_path / "t", str(tmp_path / "t"))
    for broken in ("", "[]", "null", "{}", "{", "\x00", "3"):
        file.write_text(broken)
        refuses(tmp_path / "t", str(tmp_path / "t"))
    # With a checksum that was made to fit, what does not fit together is still refused.
    masks = content["masks"]
    for change in (
        {"masks": {**masks, "a/kernel": {"shape": [12, 8], "kept": 3}}},
        {"sha256": {}},
        {"heads": None},
        {"masks": {**masks, "a/kernel": {"shape": [8, 12], "kept": 3}}},
        {"masks": {**masks, "a/bias": masks["a/kernel"]}},
        {"masks": {**masks, "a/kernel": {"shape": [10**9, 10**9], "kept": 1}}},
        {"masks": 3},
        {"sha256": None},
        {"masks": {**masks, "a/kernel": {**masks["a/kernel"], "shape": "ab"}}},
    ):
        new = {**content, **change}
        del new["checksum"]
        file.write_text(json.dumps({**new, "checksum": _checksum(new)}))
        refuses(tmp_path / "t", str(tmp_path / "t"))


def test_no_ticket_there(tmp_path, saved):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "none", tmp_path, tmp_path / "file", "", saved[0] / "ticket.json"):
        with pytest.raises(lottery.LotteryError, match="no ticket at"):
            lottery.load_ticket(path)


def test_overwriting_is_asked_for(tmp_path):
    one, other = pruned_ticket(dense()), pruned_ticket(dense(), 0.5)
    one.save(tmp_path / "t")
    with pytest.raises(lottery.LotteryError, match="exists already.*overwrite=True"):
        other.save(tmp_path / "t")
    assert lottery.load_ticket(tmp_path / "t").sparsity == one.sparsity
    other.save(tmp_path / "t", overwrite=True)
    assert everything(lottery.load_ticket(tmp_path / "t")) == everything(other)
    other.save(tmp_path / "deep" / "er" / "t")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("x")
    with pytest.raises(lottery.LotteryError, match="holds no ticket"):
        other.save(tmp_path / "photos", overwrite=True)
    with pytest.raises(lottery.LotteryError, match="cannot write"):
        other.save(tmp_path / "photos" / "me.jpg" / "t")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "photos", "t"]


def test_a_loaded_ticket_stays_when_its_folder_is_overwritten_or_cut(tmp_path):
    one, other = pruned_ticket(dense()), pruned_ticket(dense(), 0.5)
    one.save(tmp_path / "t")
    loaded = lottery.load_ticket(tmp_path / "t")
    other.save(tmp_path / "t", overwrite=True)
    assert everything(loaded) == everything(one)
    loaded = lottery.load_ticket(tmp_path / "t")
    for file in (tmp_path / "t").iterdir():
        file.open("r+b").truncate(1)
    assert everything(loaded) == everything(other)


def test_a_ticket_goes_to_disk_and_back_in_little_more_than_its_own_memory(tmp_path):
    rng = np.random.default_rng(0)
    drawn = {f"layer{n}/kernel": rng.normal(size=(250, 400)).astype("float32") for n in range(20)}
    masks = {path: rng.random(value.shape) > 0.2 for path, value in drawn.items()}
    state = {path: np.where(masks[path], value, np.float32(0)) for path, value in drawn.items()}
    trained = {path: 2 * value for path, value in state.items()}
    ticket = dataclasses.replace(pruned_ticket(dense()), masks=masks, weights=state, trained=trained)
    own = sum(array.nbytes for of in (masks, state, trained) for array in of.values())
    tracemalloc.start()
    ticket.save(tmp_path / "t")
    saving = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    loaded = lottery.load_ticket(tmp_path / "t")
    loading = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert everything(loaded) == everything(ticket)
    assert saving < 0.2 * own and own < loading < 1.2 * own


@matrix_on("tf_keras")
def test_starts():
    ticket = search(compiled(noisy()), rewind=2)
    for start, values in (("rewind", ticket.weights), ("trained", ticket.trained)):
        model = ticket.model(start)
        assert bits(state_of(model)) == bits(values) and bits(lottery.masks(model)) == bits(ticket.masks)
    keras.utils.set_random_seed(1)
    one, other = (state_of(ticket.model("random")) for _ in range(2))
    for path, mask in ticket.masks.items():
        assert np.array_equal(one[path] != 0, mask) and not np.array_equal(one[path], other[path])
    model = compiled(ticket.model())
    model.fit(*arrays(), epochs=2, verbose=0)
    trained = state_of(model)
    for path, mask in ticket.masks.items():
        assert not trained[path][~mask].any() and (trained[path] != ticket.weights[path])[mask].mean() > 0.5
    bare = Ticket(**{**vars(ticket), "trained": None})
    for start, said in (
        ("trained", "saved without trained weights"),
        ("winning", "unknown: choose 'rewind', 'trained', 'random'"),
    ):
        with pytest.raises(lottery.LotteryError, match=said):
            bare.model(start)


class Own(L.Dense):
    """Not registered."""


def test_custom_layers_need_to_be_registered(tmp_path):
    ticket = pruned_ticket(keras.Sequential([L.Input((4,)), Own(6, name="own"), L.Dense(3)]))
    assert "own/kernel" in ticket.masks
    ticket.save(tmp_path / "t")
    loaded = lottery.load_ticket(tmp_path / "t")
    with pytest.raises(
        lottery.LotteryError, match="cannot be built.*Own.*register_keras_serializable"
    ) as error:
        loaded.model()
    assert "\n" not in str(error.value)
    with keras.utils.custom_object_scope({"Own": Own}):
        assert bits(state_of(loaded.model())) == bits(ticket.weights)


def test_loading_runs_no_code(tmp_path, monkeypatch):
    marker = tmp_path / "ran"
    code = keras.layers.Lambda(lambda x, path=str(marker): (__import__("pathlib").Path(path).touch(), x)[1])
    ticket = pruned_ticket(keras.Sequential([L.Input((4,)), code, L.Dense(6), L.Dense(3)]))
    marker.unlink(missing_ok=True)
    ticket.save(tmp_path / "t")
    monkeypatch.setattr(pickle, "load", lambda *a, **k: pytest.fail("unpickled"))
    monkeypatch.setattr(pickle, "loads", lambda *a, **k: pytest.fail("unpickled"))
    loaded = lottery.load_ticket(tmp_path / "t")
    for call in (loaded.model, lambda: lottery.transfer(loaded, num_classes=4)):
        with pytest.raises(lottery.LotteryError, match="cannot be built.*Lambda") as error:
            call()
        assert "\n" not in str(error.value)
    assert not marker.exists()


def test_architecture_that_was_swapped(saved, tmp_path):
    """An architecture with other weights, its hashes made to fit, is refused in one line when the model is
    built."""
    folder = copied(saved, tmp_path / "t")
    pruned_ticket(keras.Sequential([L.Input((8,)), L.Dense(11, name="a"), L.Dense(3, name="head")])).save(
        tmp_path / "other"
    )
    (folder / "architecture.json.gz").write_bytes((tmp_path / "other" / "architecture.json.gz").read_bytes())
    content = json.loads((folder / "ticket.json").read_text())
    del content["checksum"]
    from keras_lottery.core.files import sha256

    content["sha256"]["architecture.json.gz"] = sha256(folder / "architecture.json.gz")
    (folder / "ticket.json").write_text(json.dumps({**content, "checksum": _checksum(content)}))
    with pytest.raises(lottery.LotteryError, match="does not fit") as error:
        lottery.load_ticket(folder).model()
    assert "\n" not in str(error.value)
    (folder / "architecture.json.gz").write_bytes(gzip.compress(b"[1, 2"))
    content["sha256"]["architecture.json.gz"] = sha256(folder / "architecture.json.gz")
    (folder / "ticket.json").write_text(json.dumps({**content, "checksum": _checksum(content)}))
    refuses(folder, str(folder))


def test_info_that_json_cannot_hold(tmp_path):
    ticket = Ticket(**{**vars(pruned_ticket(dense())), "info": {"model": L.Dense(2), 3: (1, 2)}})
    with pytest.raises(lottery.LotteryError, match="which JSON cannot hold"):
        ticket.save(tmp_path / "t")
    assert list(tmp_path.iterdir()) == []
    Ticket(**{**vars(ticket), "info": {3: (1, np.float32(2)), "x": np.inf}}).save(tmp_path / "t")
    assert lottery.load_ticket(tmp_path / "t").info == {"3": [1, 2.0], "x": None}


@skip_unless("tf_keras", reason="Keras 3 models hold no operations by name")
@pytest.mark.parametrize(
    "kind, settings",
    [
        ("TFOpLambda", {"function": "io.write_file"}),
        ("TFOpLambda", {"function": "compat.v1.write_file"}),
        ("TFOpLambda", {"function": "load_op_library"}),
        ("Custom>TFOpLambda", {"function": "raw_ops.WriteFile"}),
        ("ClassMethod", {"cls_symbol": "io.TFRecordWriter", "method_name": "write"}),
        ("TensorFlowOpLayer", {"node_def": {}}),
    ],
)
def test_a_model_that_would_do_more_than_compute_is_not_built(tmp_path, kind, settings):
    model = lottery.wrap(functional())
    made = from_model(model, engines.of(model).values(), [])
    architecture = json.loads(json.dumps(made.architecture))
    out = tmp_path / "written"
    architecture["config"]["layers"].append(
        {
            "module": "keras.layers",
            "registered_name": kind,
            "class_name": kind,
            "name": "more",
            "config": {"name": "more", "trainable": True, "dtype": "float32", **settings},
            "inbound_nodes": [["_CONSTANT_VALUE", -1, str(out), {"contents": "by a ticket"}]],
        }
    )
    dataclasses.replace(made, architecture=architecture).save(tmp_path / "ticket")
    ticket = lottery.load_ticket(tmp_path / "ticket")
    for use in (ticket.model, lambda: lottery.transfer(ticket, num_classes=4)):
        with pytest.raises(LotteryError, match="cannot be built: it (holds|names) "):
            use()
    assert not out.exists()


def functional():
    given = L.Input((8,))
    return keras.Model(given, L.Dense(3, name="head")(L.Dense(6, name="a")(given)))

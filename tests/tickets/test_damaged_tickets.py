"""Tickets that are damaged or made up: refused in one line, or loaded as what they say."""

import gzip
import json
import shutil

import hostile
import numpy as np
import pytest
from hostile import altered, rehashed, saved_ticket
from small import bits, everything, state_of

import keras_lottery as lottery
from keras_lottery.core import files
from keras_lottery.tickets.ticket_file import ARCHITECTURE, MASKS, TRAINED, WEIGHTS

pytestmark = pytest.mark.keras3


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return saved_ticket(hostile.model(), tmp_path_factory.mktemp("good") / "ticket")


@pytest.fixture
def ticket(good, tmp_path):
    return shutil.copytree(good, tmp_path / "ticket")


def array_changed(name, change, file=WEIGHTS):
    """A ticket of which an array of a file is another."""

    def edit(ticket):
        arrays, notes = files.read_arrays(ticket / file)
        arrays[name] = np.asarray(change(arrays[name]))
        files.write_arrays(ticket / file, arrays, **notes)
        rehashed(ticket)

    return edit


def told(change):
    return lambda ticket: rehashed(ticket, change)


def cut_deflate(ticket):
    content = bytearray((ticket / ARCHITECTURE).read_bytes())
    content[20:40] = bytes(20)
    (ticket / ARCHITECTURE).write_bytes(content)
    rehashed(ticket)


def many_names(ticket):
    """Empty arrays, of which each takes several times its bytes in the header."""
    entries = (f'"{n:06}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' for n in range(250_000))
    header = f"{{{','.join(entries)}}}".encode()
    (ticket / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header)
    rehashed(ticket)


def with_nan(array):
    return np.where(np.arange(array.size).reshape(array.shape) == 1, np.nan, array).astype(array.dtype)


DAMAGES = {
    "a bad deflate stream": (cut_deflate, "architecture.json.gz' is missing, cut or altered"),
    "a folder for a file": (
        lambda ticket: ((ticket / WEIGHTS).unlink(), (ticket / WEIGHTS).mkdir()),
        "is missing",
    ),
    "hashes without weights": (
        told(lambda content: content["sha256"].pop(WEIGHTS) and None),
        "no hash of weights.safetensors",
    ),
    "a ticket.json past all": (
        lambda ticket: (ticket / "ticket.json").write_bytes(b" " * (2**26 + 1)),
        "67,108,865 bytes, more than any ticket's",
    ),
    "no hashes": (told(lambda content: content.update(sha256=[])), "its hashes are"),
    "a hash of another file": (
        told(lambda content: content["sha256"].update({"/etc/passwd": "0"})),
        "no file of a ticket",
    ),
    "a hash of a file above": (
        told(lambda content: content["sha256"].update({"../ticket/README.md": "0"})),
        "no file of a ticket",
    ),
    "heads: [[]]": (told(lambda content: content.update(heads=[[]])), "its heads are"),
    "rounds: [1]": (told(lambda content: content.update(rounds=[1])), "its rounds are"),
    "rounds: [{}]": (told(lambda content: content.update(rounds=[{}])), "a round of it is"),
    "metrics: 4": (
        told(lambda content: content.update(rounds=[{"metrics": 4, "sparsity": 0.5}])),
        "a round of it is",
    ),
    "layer_rates: half": (
        told(lambda content: content["settings"].update(layer_rates={"a": "half"})),
        "its layer_rates are",
    ),
    "blocks: [4]": (told(lambda content: content["settings"].update(blocks=[4])), "its blocks are"),
    "a block of no mask": (
        told(lambda content: content["settings"].update(blocks={"b/kernel": 4})),
        "its blocks are",
    ),
    "an unknown scope": (
        told(lambda content: content["settings"].update(scope="everywhere")),
        "its scope is",
    ),
    "a number that no float holds": (
        told(lambda content: content.update(rounds=[{"metrics": {"loss": 10**400}, "sparsity": 0.5}])),
        "a number in it has 401 digits",
    ),
    "a header past all": (many_names, "weights.safetensors has a header of 14,250,001 bytes, more than any"),
    "a deep note": (told(lambda content: content["info"].update(x=deep(250))), "levels deep"),
    "one survivor for all": (array_changed("a/kernel", lambda array: array[:1]), "has not the"),
    "a scalar for all": (array_changed("a/kernel", lambda array: array[0]), "has not the"),
    "NaN": (array_changed("a/kernel", with_nan), "has NaN in 'a/kernel'"),
    "NaN in a bias, trained": (array_changed("a/bias", with_nan, TRAINED), "has NaN in 'a/bias'"),
    "other trained weights": (array_changed("a/bias", lambda array: array[:2], TRAINED), "other shapes"),
    "trained weights in two places": (
        told(lambda content: content.update(trained=WEIGHTS)),
        "are told to be in",
    ),
    "trained weights of elsewhere": (
        told(lambda content: content.update(trained="/etc/passwd")),
        "are told to be in '/etc/passwd'",
    ),
    "trained weights in a list": (told(lambda content: content.update(trained=[[]])), "are told to be in"),
    "a mask of floats": (
        array_changed("a/kernel", lambda array: array.astype("float32"), MASKS),
        "as the mask of",
    ),
    "a shape of text": (told(lambda content: content["masks"]["a/kernel"].update(shape="ab")), "is told as"),
    "a negative shape": (
        told(lambda content: content["masks"]["a/kernel"].update(shape=[-8, -6])),
        "is told as",
    ),
    "more kept than there are": (
        told(lambda content: content["masks"]["a/kernel"].update(kept=10**9)),
        "is told as",
    ),
    "no architecture": (lambda ticket: altered(ticket, lambda config: "null"), "is no architecture"),
    "an architecture of text": (lambda ticket: altered(ticket, lambda config: '"x"'), "is no architecture"),
}
WRONG = {  # what only building the model shows
    "weights of another kind": (
        array_changed("a/bias", lambda array: array.astype("int32")),
        "does not fit its weights: 'a/bias'",
    ),
    "bools": (
        array_changed("a/bias", lambda array: np.zeros(array.shape, bool)),
        "does not fit its weights: 'a/bias'",
    ),
    "another shape": (array_changed("a/bias", lambda array: array[:2]), "does not fit its weights: 'a/bias'"),
    "no bias": (
        lambda ticket: altered(
            ticket, lambda config: hostile.layer(config, "a")["config"].update(use_bias=False)
        ),
        "does not fit its weights: 'a/bias'",
    ),
}


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_ticket_is_refused_in_a_line(ticket, damage):
    change, said = DAMAGES[damage]
    change(ticket)
    refused(lambda: lottery.load_ticket(ticket), said)


@pytest.mark.parametrize("damage", WRONG)
def test_weights_that_are_not_the_architectures(ticket, damage):
    change, said = WRONG[damage]
    change(ticket)
    arrays_too = TRAINED if damage != "no bias" else None
    if arrays_too:  # so that the two files agree
        values, notes = files.read_arrays(ticket / WEIGHTS)
        files.write_arrays(ticket / TRAINED, values, **notes)
        rehashed(ticket)
    loaded = lottery.load_ticket(ticket)
    for use in (
        loaded.model,
        lambda: loaded.model("random"),
        lambda: loaded.numpy("torch"),
        lambda: lottery.transfer(loaded, num_classes=4),
    ):
        refused(use, said)


def refused(use, said):
    with pytest.raises(lottery.LotteryError, match=said.replace("[", r"\[")) as error:
        use()
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.stress)])
def test_altered_tickets_are_refused_or_are_what_they_say(good, tmp_path, count):
    """Bits flipped, files cut and JSON edited, with hashes that fit and without."""
    original, refusals = everything(lottery.load_ticket(good)), 0
    for seed in range(count):
        rng = np.random.default_rng(seed)
        folder = shutil.copytree(good, tmp_path / str(seed))
        fits = bool(rng.integers(2))
        alter(folder, rng)
        if fits:
            try:
                rehashed(folder)
            except (
                ValueError,
                TypeError,
                AttributeError,
                KeyError,
            ):  # what is left of ticket.json has no place for hashes
                pass
        try:
            loaded = lottery.load_ticket(folder)
            if not fits:
                assert everything(loaded) == original
            built = loaded.model()
            assert bits(lottery.masks(built)) == bits(loaded.masks)
            for path, value in state_of(built).items():
                assert np.array_equal(value, loaded.weights[path].astype(value.dtype))
            loaded.save(tmp_path / f"{seed}-again")
            assert everything(lottery.load_ticket(tmp_path / f"{seed}-again")) == everything(loaded)
        except lottery.LotteryError as error:
            refusals += 1
            assert "\n" not in str(error) and len(str(error)) < 700, (seed, str(error))
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
        shutil.rmtree(folder)
    assert 0.5 * count < refusals < count


def alter(folder, rng):
    """Change a file of a ticket: its bytes, or the JSON in it."""
    name = str(rng.choice([ARCHITECTURE, MASKS, WEIGHTS, TRAINED, "ticket.json"]))
    content = (folder / name).read_bytes()
    packed = name.endswith(".gz") and rng.random() < 0.7
    content = gzip.decompress(content) if packed else content
    if "json" in name and rng.random() < 0.7 and (packed or name == "ticket.json"):
        content = json.dumps(edited(json.loads(content), rng)).encode()
    elif rng.random() < 0.2:
        content = content[: rng.integers(len(content))]
    else:
        content = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            content[place] ^= 1 << int(rng.integers(8))
    (folder / name).write_bytes(gzip.compress(bytes(content)) if packed else bytes(content))


ODD = [
    None,
    True,
    -1,
    0,
    3,
    2**70,
    1e400,
    "",
    "x",
    "a",
    [],
    {},
    [[]],
    ["a", 0, 0],
    {"class_name": "Dense"},
    "Lambda",
    {"a": None},
]


def edited(value, rng):
    """JSON with one of its values removed, doubled or made another."""
    places = []

    def walk(item):
        for key in item if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ():
            places.append((item, key))
            walk(item[key])

    walk(value)
    item, key = places[rng.integers(len(places))]
    how = rng.integers(4)
    if how == 0:
        del item[key]
    elif how == 1 and isinstance(item, list):
        item.insert(key, item[key])
    elif how == 2:
        other, at = places[rng.integers(len(places))]
        item[key] = json.loads(json.dumps(other[at]))
    else:
        item[key] = ODD[rng.integers(len(ODD))]
    return value

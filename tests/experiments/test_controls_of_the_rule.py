"""Rows say between which steps each control trained, and the two controls of the rule are what their lines
say."""

import by_name
import pytest
from small import L
from world import WORLD, keras, skip_unless

import keras_lottery as lottery
from keras_lottery.core import files

SOURCE = {"name": "digits", "train_split": "train[:25%]", "batch_size": 64, "classes": [0, 1, 2, 3, 4]}
TARGET = {**SOURCE, "classes": [5, 6, 7]}
EPOCHS = 2
RECIPE = {"optimizer": "sgd", "learning_rate": 0.05, "schedule": "cosine"}
JOB = dict(
    epochs=EPOCHS, recipe=RECIPE, seed=1, precision="float32", strategy="none", backend=WORLD, verbose=0
)

pytestmark = skip_unless("tf_keras", "jax", reason="one of each Keras is enough")


def steps_of(dataset):
    return len(lottery.data.load(**dataset, seed=1).train)


STEPS = steps_of(SOURCE) if WORLD in ("tf_keras", "jax") else 3
END = STEPS * EPOCHS
IN_EPOCH = STEPS + 1  # a rewind point within the second epoch


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A file of a small net with what a rewind must take back: BatchNorm, and the numbers that Dropout
    draws."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            L.Input((8, 8, 1)),
            L.Conv2D(4, 3, name="c"),
            L.BatchNormalization(name="bn"),
            L.ReLU(),
            L.Flatten(),
            L.Dense(8, "relu", name="d"),
            L.Dropout(0.2),
            L.Dense(5, name="head"),
        ]
    )
    path = tmp_path_factory.mktemp("net") / "net.keras"
    model.save(path)
    return str(path)


@pytest.fixture(scope="module")
def searches(net, tmp_path_factory):
    """A function of a rewind point: (folder, result) of its search, made when it is first asked for."""
    folder, made = tmp_path_factory.mktemp("searches"), {}

    def search(rewind):
        if rewind not in made:
            where = folder / str(rewind)
            made[rewind] = (
                where,
                by_name.find(
                    **JOB,
                    dataset=SOURCE,
                    model=net,
                    rounds=2,
                    rate=0.5,
                    rewind=rewind,
                    run_dir=where,
                    compare_at=[0.75] if rewind == IN_EPOCH else [],
                ),
            )
        return made[rewind]

    return search


def control(name, folder, run_dir, on="source"):
    """The row of a control."""
    [row] = by_name.train_control(
        **JOB,
        control=name,
        on=on,
        ticket=folder / "round_02",
        dense=folder / "round_00",
        sparsity=0.75,
        dataset=SOURCE if on == "source" else TARGET,
        run_dir=run_dir,
    )["rows"]
    return row


def steps(row):
    return row["steps"]["before"], row["steps"]["start"], row["steps"]["stop"]


@pytest.mark.matrix
def test_rows_say_the_steps_and_the_random_control_begins_at_the_rewind_point(searches):
    _, result = searches(IN_EPOCH)
    assert [(row["control"], steps(row)) for row in result["rows"]] == [
        ("dense", (0, 0, END)),
        ("ticket", (0, IN_EPOCH, END)),
        ("ticket", (0, IN_EPOCH, END)),
        ("random", (0, IN_EPOCH, END)),
    ]
    assert all(row["epoch"] == EPOCHS for row in result["rows"]) and result["rule"] == "k to T"


@pytest.mark.matrix
@pytest.mark.quick("shuffled-4-expected0", "late-reset-4-expected2")
@pytest.mark.parametrize(
    "name, rewind, expected",
    [
        ("shuffled", IN_EPOCH, (0, IN_EPOCH, END)),
        ("reinit", IN_EPOCH, (0, 0, END)),
        ("late-reset", IN_EPOCH, (END, 0, END)),
        ("random", "trained", (END, 0, END)),
    ],
)
def test_a_control_on_the_source_trains_between_its_steps(name, rewind, expected, searches, tmp_path):
    assert steps(control(name, searches(rewind)[0], tmp_path / "control")) == expected


@pytest.mark.matrix
def test_the_ticket_on_the_source_is_its_round_over_again(searches, tmp_path):
    folder, result = searches(IN_EPOCH)
    row, found = control("ticket", folder, tmp_path / "control"), result["rows"][2]
    assert row["history"][-1]["loss"] == pytest.approx(found["history"][-1]["loss"], rel=1e-4)


@pytest.mark.matrix
@pytest.mark.quick(str(IN_EPOCH))
@pytest.mark.parametrize("rewind", ["init", IN_EPOCH])
def test_dense_rewound_on_the_source_is_the_dense_training_over_again(rewind, searches, tmp_path):
    """From step 0 in every figure; from a later one the momentum starts anew."""
    folder, result = searches(rewind)
    row = control("dense-rewound", folder, tmp_path / "control")
    assert row["sparsity"] == 0 and steps(row) == (0, 0 if rewind == "init" else rewind, END)
    if rewind == "init":
        assert (
            row["history"] == result["rows"][0]["history"]
            and row["test_loss"] == result["rows"][0]["test_loss"]
        )


@pytest.mark.matrix
def test_dense_rewound_on_a_target_trains_all_of_it(searches, tmp_path):
    folder, _ = searches(IN_EPOCH)
    row = control("dense-rewound", folder, tmp_path / "control", on="target")
    assert row["sparsity"] == 0 and steps(row) == (0, 0, EPOCHS * steps_of(TARGET))
    with pytest.raises(lottery.LotteryError, match="trained only on the source, by lottery-study"):
        control("dense-cyclic", folder, tmp_path / "other", on="target")


class Killed(Exception):
    pass


@pytest.mark.matrix
@pytest.mark.quick("lr-2")
@pytest.mark.parametrize("rewind, epoch", [("lr", EPOCHS), ("finetune", EPOCHS + 1)])
def test_dense_cyclic_is_trained_as_often_as_the_ticket_also_after_a_kill(
    rewind, epoch, searches, tmp_path, monkeypatch
):
    """Killed at the end of its first training, and within its second."""
    folder, result = searches(rewind)
    assert [steps(row) for row in result["rows"]] == [(0, 0, END), (END, 0, END), (2 * END, 0, END)]
    row = control("dense-cyclic", folder, tmp_path / "whole")
    assert row["sparsity"] == 0 and steps(row) == (2 * END, 0, END)
    write, written = files.write_arrays, []

    def killed_after(path, arrays, **notes):
        write(path, arrays, **notes)
        written.append(path)
        if len(written) == epoch:
            raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(files, "write_arrays", killed_after)
        control("dense-cyclic", folder, tmp_path / "cut")
    assert control("dense-cyclic", folder, tmp_path / "cut") == row


@pytest.mark.matrix
def test_a_search_that_keeps_its_weights_stands_beside_a_dense_net_of_as_many_trainings(net, tmp_path):
    rows = by_name.find(
        **JOB, dataset=SOURCE, model=net, rounds=2, rate=0.5, rewind="lr", run_dir=tmp_path, compare_at=[0.75]
    )["rows"]
    assert [row["control"] for row in rows] == ["dense", "ticket", "ticket", "random", "dense-cyclic"]
    assert [row["steps"]["before"] for row in rows] == [0, END, 2 * END, 0, 2 * END]
    cut = by_name.find(
        **JOB,
        dataset=SOURCE,
        model=net,
        rounds=2,
        rate=0.5,
        rewind="lr",
        run_dir=tmp_path / "cut",
        compare_at=[0.75],
        budget=2 * END,
    )["rows"]
    assert "dense-cyclic" not in [row["control"] for row in cut], (
        "rounds that were cut short are no equal of it"
    )
    assert [row["steps"]["before"] for row in cut[:3]] == [0, STEPS, 2 * STEPS]

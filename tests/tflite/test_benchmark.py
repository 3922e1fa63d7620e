"""Files side by side: exact bytes, outputs that compare across dtypes, broken files as rows; never how
fast."""

import dataclasses
import doctest
import gzip
import io
import json
import random
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
import zstandard
from small import command

from apps import benchmark as app
from keras_lottery import LotteryError
from keras_lottery.tflite import conversion
from keras_lottery.tflite.measure import benchmark, emulated, examples, loading, local, phone

L = tf_keras.layers
QUICK = "--seconds=0.01"


def net():
    """Its larger kernel is 90% zeros."""
    tf_keras.utils.set_random_seed(0)
    model = tf_keras.Sequential(
        [
            L.Input((8, 8, 3), name="image"),
            L.Conv2D(8, 3, activation="relu"),
            L.Flatten(),
            L.Dense(64, name="wide"),
            L.ReLU(),
            L.Dense(5),
        ]
    )
    kernel = model.get_layer("wide").kernel
    kernel.assign(np.where(np.random.default_rng(0).random(kernel.shape) < 0.9, 0, kernel.numpy()))
    return model


def int8(model):
    """All of it int8, inputs and outputs too, calibrated on normal images."""
    call = tf.function(lambda image: model(image)).get_concrete_function(tf.TensorSpec((1, 8, 8, 3)))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([call], model)
    images = np.random.default_rng(1).normal(size=(20, 1, 8, 8, 3)).astype("float32")
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def float32(model):
    return {encoding: content for (_, encoding), content in conversion.to_tflite(model, ["float32"]).items()}


def of_layer(layer, shape=(4,), dtype="float32"):
    entry = L.Input(shape, dtype=dtype)
    return float32(tf_keras.Model(entry, layer(entry)))["dense"]


@pytest.fixture(scope="module")
def contents():
    return {**float32(net()), "int8": int8(net())}


@pytest.fixture(scope="module")
def folder(contents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, content in contents.items():
        (folder / f"{name}.tflite").write_bytes(content)
    (folder / "cut.tflite").write_bytes(contents["sparse"][: len(contents["sparse"]) // 2])
    (folder / "note.txt").write_text("A text, and no model.")
    (folder / "empty.tflite").write_bytes(b"")
    return folder


def test_each_file_is_weighed_loaded_invoked_and_compared(contents):
    rows = {row.name: row for row in local.latencies(contents, seconds=0.01)}
    assert list(rows) == ["dense", "sparse", "int8"]
    for name, row in rows.items():
        assert row.bytes == len(contents[name]) and row.gzip == len(gzip.compress(contents[name], 9))
        assert row.zstd == len(zstandard.ZstdCompressor(level=19).compress(contents[name]))
        assert row.problem is None
        for spread in (row.load, row.latency, row.ratio):
            assert 0 < spread.low <= spread.median <= spread.high
    assert rows["dense"].ratio == local.Spread(1, 1, 1) and rows["dense"].difference == 0
    assert rows["sparse"].difference < 1e-5 and rows["sparse"].bytes < rows["dense"].bytes / 2


def test_a_quantized_file_is_given_what_the_float_file_is_given(contents):
    """The float file gets numbers that int8 holds exactly, and both outputs are compared as real numbers."""
    made, problems = loading.load({name: contents[name] for name in ("dense", "int8")})
    real, whole = (made[name].get_tensor(made[name].get_input_details()[0]["index"]) for name in made)
    assert (
        whole.dtype == np.int8
        and whole.min() < -60
        and whole.max() > 60
        and real.dtype == np.float32
        and not problems
    )
    assert np.array_equal(
        examples.dequantized(made["int8"].get_input_details()[0], whole).astype("float32"), real
    )
    outputs = [examples.outputs(each) for each in made.values()]
    assert 0 < examples.largest_difference(*outputs) < 0.1 * np.abs(outputs[0]).max()
    (row,) = [row for row in local.latencies(contents, seconds=0.01) if row.name == "int8"]
    assert row.difference == pytest.approx(examples.largest_difference(*outputs))


def test_inputs_are_of_the_right_kind():
    """Normal for floats, all of a byte's values for pixels, and of indices only the two that are sure to be
    there."""
    made, problems = loading.load(
        {
            "float": of_layer(L.ReLU(), (20, 15, 3)),
            "uint8": of_layer(L.Lambda(lambda x: tf.cast(x, tf.float32)), (20, 15, 3), "uint8"),
            "index": of_layer(L.Embedding(2, 3), (9,), "int32"),
        }
    )
    floats, bytes_, indices = examples.inputs(list(made.values()))
    assert bytes_[0].dtype == np.uint8 and (bytes_[0].min(), bytes_[0].max()) == (0, 255) and not problems
    assert floats[0].dtype == np.float32 and np.array_equal(
        floats[0], bytes_[0]
    )  # of one shape, so the same numbers
    assert indices[0].dtype == np.int32 and set(indices[0].ravel()) == {0, 1}
    ((alone,),) = examples.inputs([made["float"]])
    assert abs(alone.mean()) < 0.2 and 0.9 < alone.std() < 1.1


@pytest.mark.matrix
def test_other_shapes_are_not_compared_and_odd_models_have_their_reason():
    text = tf.function(lambda x: tf.strings.length(x)).get_concrete_function(tf.TensorSpec((1,), tf.string))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([text])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    rows = local.latencies(
        {
            "four": of_layer(L.ReLU()),
            "five": of_layer(L.ReLU(), (5,)),
            "index": of_layer(L.Embedding(1, 3), (9,), "int32"),
            "nan": of_layer(L.Lambda(lambda x: tf.sqrt(-1 - x * x))),
            "text": converter.convert(),
        },
        seconds=0.01,
    )
    said = {row.name: row.problem for row in rows}
    assert said["four"] is said["five"] is None and rows[1].difference is None and rows[1].ratio
    assert said["index"].startswith("does not run: ") and rows[2].latency is None
    assert (
        said["nan"] == "gives NaN or infinity on random inputs"
        and rows[3].latency
        and rows[3].difference is None
    )
    assert said["text"] and rows[4].latency is None


def test_a_cut_or_garbled_file_is_a_row_and_the_others_are_measured(contents):
    random_bytes = random.Random(0).randbytes(3000)
    garbled = bytearray(contents["dense"])
    garbled[12:60] = random_bytes[:48]
    rows = local.latencies(
        {
            "half": contents["dense"][: len(contents["dense"]) // 2],
            "noise": b"\x1c\0\0\0TFL3" + random_bytes,
            "garbled": bytes(garbled),
            "good": contents["dense"],
            "again": contents["dense"],
        },
        seconds=0.01,
    )
    for row in rows[:3]:
        assert (
            row.problem.startswith("does not load: it is cut or damaged")
            and row.latency is row.ratio is row.load is None
        )
    assert (
        [row.problem for row in rows[3:]] == [None, None]
        and rows[3].ratio.high == 1
        and rows[4].difference == 0
    )


def test_a_file_that_takes_the_process_down_is_a_row(contents, monkeypatch):
    monkeypatch.setattr(loading, "GUEST", ["-c", "import os; os.kill(os.getpid(), 11)"])
    (row,) = local.latencies({"bad": contents["dense"]}, seconds=0.01)
    assert row.problem == "takes LiteRT down (Segmentation fault): it is damaged, export it again"


def test_the_command_prints_a_table_and_writes_the_same_as_json(folder, monkeypatch, contents):
    monkeypatch.chdir(folder)
    code, out, err = command(app, "dense.tflite", "cut.tflite", "--output=out.json", "int8.tflite", QUICK)
    assert code == 0 and not err, err
    result = json.loads((folder / "out.json").read_text())
    assert [file["name"] for file in result["files"]] == [
        "dense.tflite",
        "cut.tflite",
        "int8.tflite",
    ] and result["threads"] == 1
    here = [file["here"] for file in result["files"]]
    assert (
        here[0]["bytes"] == len(contents["dense"])
        and f"{here[0]['bytes']:,}" in out
        and f"{here[2]['latency']['median']:.3g}" in out
    )
    assert (
        here[1]["latency"] is None and f"cut.tflite {here[1]['problem']}" in out and "cut or damaged" in out
    )
    assert set(here[0]) == {field.name for field in dataclasses.fields(local.Row)} - {"name"}
    before = (folder / "out.json").read_bytes()
    code, out, err = command(app, "dense.tflite", QUICK, "--output=out.json")
    assert code == 2 and "--overwrite" in err and (folder / "out.json").read_bytes() == before
    code, out, err = command(app, "--files=dense.tflite", QUICK, "--output=out.json", "--overwrite")
    assert code == 0 and len(json.loads((folder / "out.json").read_text())["files"]) == 1


@pytest.mark.parametrize(
    "given, said",
    [
        ("", "no file given: give .tflite files"),
        ("absent.tflite", "cannot read 'absent.tflite': there is no such file"),
        (".", "cannot read '.': it is a folder"),
        ("note.txt", "'note.txt' is no .tflite file (21 bytes without TFLite's mark 'TFL3')"),
        ("empty.tflite", "'empty.tflite' is no .tflite file (empty)"),
        ("dense.tflite dense.tflite", "'dense.tflite' is given twice"),
        ("dense.tflite --threads=0", "threads=0 is impossible: give a whole number from 1 up"),
        ("dense.tflite --seconds=0", "seconds=0.0 is impossible: give a number above 0"),
        (
            "dense.tflite --output=out.csv",
            "output=out.csv is impossible: give a file name that ends in .json",
        ),
        ("dense.tflite --output=/proc/out.json", "cannot write to '/proc'"),
        ("dense.tflite --output=note.txt/out.json", "cannot write to 'note.txt': Not a directory"),
        ("dense.tflite --thread=2", "Unknown command line flag 'thread'. Did you mean: threads"),
    ],
)
def test_one_line_for_a_mistake(folder, monkeypatch, given, said):
    monkeypatch.chdir(folder)
    before = sorted(path.name for path in folder.iterdir())
    code, out, err = command(app, *given.split())
    assert (
        code == 2
        and out == ""
        and err.startswith("lottery-benchmark: ")
        and err.count("\n") == 1
        and said in err
    ), err
    assert sorted(path.name for path in folder.iterdir()) == before


def test_contents_need_names(contents):
    with pytest.raises(LotteryError, match="contents need names"):
        benchmark([contents["dense"]])


def test_the_counters_marks_are_read():
    assert emulated.parse("0 130 200 1300 3400 4500 6600".replace(" ", "\n"), 10) == (100, 100)
    assert emulated.parse("5\n9\n100\n1109\n3118\n4120\n6129\n", 10) == (
        100.0,
        100.7,
    )  # 9 for the loop, then another 7 for something else
    with pytest.raises(ValueError, match="saw 2 of 7 marks"):
        emulated.parse("1\n2\n", 10)
    assert doctest.testmod(emulated).attempted == 1


@pytest.mark.parametrize(
    "given, said",
    [
        ("--cpu=cortex-a75", "cpu=cortex-a75 is unknown: choose 'cortex-a53', .*Did you mean 'cortex-a76'"),
        (
            "--arm --arm_root=note.txt",
            "note.txt' holds something else: give another one, as --arm_root=FOLDER",
        ),
        ("--arm --arm_root=.", "holds something else"),
    ],
)
def test_what_is_wrong_with_arm_is_told_before_anything_is_measured(folder, monkeypatch, given, said):
    monkeypatch.chdir(folder)
    code, out, err = command(app, "dense.tflite", *given.split())
    assert code == 2 and out == "" and err.count("\n") == 1 and re.search(said, err), err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere that is what is said")
def test_missing_programs_are_named(folder, monkeypatch, tmp_path):
    for name in ("apt-get", "apt-cache", "dpkg-deb", "gcc"):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(
            LotteryError, match="apt" if name != "gcc" else "arm=True needs gcc.*apt-get install gcc"
        ) as error:
            emulated.instructions([folder / "dense.tflite"], folder=tmp_path / "root")
        assert "\n" not in str(error.value) and not (tmp_path / "root").exists()
        (tmp_path / name).symlink_to("/bin/true")


@pytest.mark.stress
def test_instructions_on_arm(folder, monkeypatch, tmp_path, contents):
    """Sets emulation up, from the network; then again without it."""
    monkeypatch.chdir(folder)
    flags = [
        "dense.tflite",
        "cut.tflite",
        "int8.tflite",
        QUICK,
        "--arm",
        f"--arm_root={tmp_path / 'arm'}",
        "--overwrite",
    ]
    code, out, err = command(app, *flags, "--output=arm.json")
    assert code == 0 and "setting up ARM emulation" in out and "cortex-a76, emulated" in out, err
    dense, cut, small = [file["arm"] for file in json.loads((folder / "arm.json").read_text())["files"]]
    assert (
        20_000 < dense["instructions"] < 1_000_000
        and dense["repeats"]
        and dense["ratio"] == 1
        and dense["difference"] < 1e-4
    )
    assert (
        small["repeats"]
        and small["ratio"] != 1
        and small["difference"] is not None
        and "cut or damaged" in cut["problem"]
    )
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    code, out, err = command(app, *flags, "--output=again.json", "--cpu=cortex-a53")
    assert code == 0 and "setting up" not in out, err
    again = json.loads((folder / "again.json").read_text())["files"][0]["arm"]
    assert again["repeats"] and again["instructions"] != dense["instructions"]
    (same,) = emulated.instructions({"x": contents["dense"]}, folder=tmp_path / "arm")
    assert same.instructions == pytest.approx(dense["instructions"], rel=0.01)


PHONE = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Min num runs: [100]
INFO: Num threads: [1]
INFO: Min warmup runs: [10]
INFO: Graph: [/data/local/tmp/dense.tflite]
INFO: Use xnnpack: [1]
INFO: Loaded model /data/local/tmp/dense.tflite
INFO: Initialized TensorFlow Lite runtime.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: The input model file size (MB): 5.31679
INFO: Initialized session in 12.345ms.
INFO: Running benchmark for at least 10 iterations and at least 0.5 seconds but terminate if exceeding 150 \
seconds.
INFO: count=61 first=9876 curr=8011 min=7990 max=9876 avg=8123.4 std=241

INFO: Running benchmark for at least 100 iterations and at least 1 seconds but terminate if exceeding 150 \
seconds.
INFO: count=125 first=8012 curr=8010 min=7988 max=8300 avg=8000 std=31

INFO: Inference timings in us: Init: 12345, First inference: 9876, Warmup (avg): 8123.4, Inference (avg): 8000
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to \
the actual memory footprint of the model at runtime. Take the information at your discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=6.42969 overall=9.5
INFO: Graph: [/data/local/tmp/sparse.tflite]
INFO: Loaded model /data/local/tmp/sparse.tflite
INFO: Inference timings in us: Init: 20000, First inference: 3.1e+03, Warmup (avg): 3.01e+03, Inference \
(avg): 2.0e+03
INFO: Memory footprint delta from the start of the tool (MB): init=5 overall=6.25
"""
AGAIN = PHONE.replace("(avg): 8000", "(avg): 1.0e+04").replace("2.0e+03", "4000").replace("INFO: ", "")
LOGCAT = (
    "11-02 10:00:00.023  4567  4567 I tflite  : Graph: [/data/local/tmp/a.tflite]\n11-02 10:00:00.123 "
    " 4567  4567 I tflite  : Inference timings in us: Init: 5685, First inference: 18535, Warmup "
    "(avg): 14462.3, Inference (avg): 14575.2\n"
)


def test_what_a_phone_printed_is_read():
    dense, sparse = phone.rows(PHONE + AGAIN)
    assert (dense.name, sparse.name, dense.runs) == (
        "dense.tflite",
        "sparse.tflite",
        2,
    ) and dense.problem is None
    assert (dense.load.median, dense.first.median, dense.memory.median, sparse.memory.median) == (
        12.345,
        9.876,
        9.5,
        6.25,
    )
    assert (dense.inference.low, dense.inference.high, sparse.inference.median) == (8, 10, 3)
    assert (sparse.ratio.low, sparse.ratio.high) == (0.25, 0.4) and dense.ratio == local.Spread(1, 1, 1)
    assert phone.rows(LOGCAT)[0].inference.median == 14.5752
    assert doctest.testmod(phone).attempted


def test_a_file_that_did_not_run_on_the_phone_is_a_row():
    text = (
        PHONE
        + "Graph: [/data/local/tmp/int8.tflite]\nERROR: Failed to load model\nERROR: Benchmarking failed.\n"
    )
    here = ["a/dense.tflite", "a/sparse.tflite", "a/int8.tflite", "late.tflite"]
    rows = phone.rows(text, here)
    assert [row.name for row in rows] == here and rows[1].ratio.median == 0.25
    assert (
        rows[2].problem == "did not run: ERROR: Failed to load model"
        and rows[3].problem == "is not in the output"
        and not rows[3].runs
    )


def test_the_commands_for_a_phone_are_printed_and_nothing_is_run(folder, monkeypatch, tmp_path):
    for path in ("a", "b b"):
        (tmp_path / path).mkdir()
        (tmp_path / path / "x y.tflite").write_bytes((folder / "dense.tflite").read_bytes())
    monkeypatch.chdir(tmp_path)
    code, out, err = command(app, "a/x y.tflite", "b b/x y.tflite", "--adb", "--threads=2")
    assert code == 0 and not err and out.count("--num_threads=2 --use_xnnpack=true --warmup_runs=") == 2
    assert (
        "adb push 'a/x y.tflite' /data/local/tmp/x_y.tflite\n" in out
        and "adb push 'b b/x y.tflite' /data/local/tmp/1-x_y.tflite\n" in out
    )
    assert "--graph=/data/local/tmp/x_y.tflite" in out and "--graph=/data/local/tmp/1-x_y.tflite" in out
    assert subprocess.run(["sh", "-n", "-c", out]).returncode == 0
    assert shlex.split(out.splitlines()[-1]) == [
        "lottery-benchmark",
        "a/x y.tflite",
        "b b/x y.tflite",
        "--adb_output=phone.txt",
    ]


def test_the_phones_figures_stand_beside_this_machines(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder)
    (tmp_path / "phone.txt").write_text(PHONE)
    code, out, err = command(
        app,
        "dense.tflite",
        "sparse.tflite",
        QUICK,
        f"--adb_output={tmp_path / 'phone.txt'}",
        f"--output={tmp_path / 'all.json'}",
    )
    assert code == 0 and not err and "this machine" in out and "phone" in out, err
    files = json.loads((tmp_path / "all.json").read_text())["files"]
    assert [file["name"] for file in files] == ["dense.tflite", "sparse.tflite"]
    assert files[1]["phone"]["ratio"]["median"] == 0.25 and files[1]["here"]["bytes"] > 0
    monkeypatch.setattr(sys, "stdin", io.StringIO(PHONE))
    code, out, err = command(app, "--adb_output=-", f"--output={tmp_path / 'phone.json'}")
    assert code == 0 and "this machine" not in out and "6.25" in out
    assert [set(file) for file in json.loads((tmp_path / "phone.json").read_text())["files"]] == [
        {"name", "phone"}
    ] * 2


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "holds no line 'Inference timings in us: ...': give all that benchmark_model printed"),
        (PHONE.split("\n", 8)[-1], "has timings without a line 'Graph: [FILE]' before them"),
        ("error: no devices/emulators found\n", "but 'error: no devices/emulators found'"),
        (
            PHONE.replace("sparse", "other"),
            "has figures of '/data/local/tmp/other.tflite', which is none of the files given",
        ),
        (None, "cannot read 'phone.txt': there is no such file"),
    ],
)
def test_output_of_no_phone(folder, monkeypatch, text, said):
    monkeypatch.chdir(folder)
    if text is not None:
        (folder / "phone.txt").write_text(text)
    code, out, err = command(app, "dense.tflite", "sparse.tflite", "--adb_output=phone.txt")
    assert code == 2 and out == "" and err.count("\n") == 1 and said in err, err
    (folder / "phone.txt").unlink(missing_ok=True)

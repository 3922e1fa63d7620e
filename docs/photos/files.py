"""What the dense net and its ticket at 95% weigh as .tflite files, and what they get right of test photos.

    python docs/photos/files.py --photos=FOLDER [--runs=runs/photos] [--seeds=0,1,2,3,4]

For the seeds whose search is finished. Each seed adds a line for each file to docs/photos/files.jsonl, unless
its lines are there. The first seed's files are also made for 97 pixels, the nearest size at which strides of
2 pad evenly, so that ARM processors take sparse kernels. Their instructions are counted on an emulated
Cortex-A76.
"""

import json
from pathlib import Path

import numpy as np
import tf_keras
from absl import app, flags
from ai_edge_litert.interpreter import Interpreter
from people import PIXELS, read, split

import keras_lottery as lottery
from keras_lottery.tflite.measure import emulated
from keras_lottery.training import run_folder

NETS = {"dense": (0, ["float32", "int8"]), "ticket at 95%": (5, None)}  # (round, formats; None for all)
EVEN = 97  # pixels
COUNTED = ("float32 dense", "float32 sparse", "int8-weights sparse", "int8 dense")
NORMALIZATION = PIXELS["mean"], PIXELS["std"]

FLAGS = flags.FLAGS


def measured(ticket, photos, parts, folder, formats):
    """A dict for each variant of the ticket's trained net, without the test photos having chosen anything."""
    tf_keras.backend.clear_session()
    given = {"images": photos.images[parts["validation"]], "labels": photos.labels[parts["validation"]]}
    record = lottery.export(
        ticket.model("trained"),
        folder / "best.tflite",
        normalization=NORMALIZATION,
        max_loss=100,
        formats=formats,
        variants_dir=folder,
        overwrite=True,
        **given,
    )
    images, labels = photos.images[parts["test"]], photos.labels[parts["test"]]
    for variant in record.variants:
        path = folder / f"{variant.format}-{variant.encoding}.tflite"
        yield {
            "file": variant.name,
            "bytes": variant.bytes,
            "zstd": variant.zstd,
            "problem": variant.problem,
            "sparse_kernels": variant.sparse_kernels,
            "validation_accuracy": variant.accuracy,
            "test_accuracy": None if variant.problem else accuracy(path, images, labels),
        }


def accuracy(path: Path, images: np.ndarray, labels: np.ndarray) -> float:
    """The share of labelled uint8 images that a .tflite file gets right, 0..1."""
    run = Interpreter(str(path)).get_signature_runner()
    (name,) = run.get_input_details()
    scores = np.concatenate([next(iter(run(**{name: image[None]}).values())) for image in images])
    return float((scores.argmax(-1) == labels).mean())


def instructions(ticket, photos, parts, folder, formats):
    """{variant: instructions of one inference} of a ticket's trained net at EVEN pixels, with a new head."""
    tf_keras.backend.clear_session()
    classes, size = len(photos.classes), (EVEN, EVEN, 3)
    model = lottery.transfer(ticket, num_classes=classes, input_shape=size, start="trained")
    wanted = [form for form in ("float32", "int8-weights", "int8") if formats is None or form in formats]
    given = {"images": photos.images[parts["validation"]], "labels": photos.labels[parts["validation"]]}
    lottery.export(
        model,
        folder / "best.tflite",
        normalization=NORMALIZATION,
        max_loss=100,
        formats=wanted,
        variants_dir=folder,
        overwrite=True,
        **given,
    )
    files = {name: folder / f"{name.replace(' ', '-')}.tflite" for name in COUNTED}
    files = {name: path for name, path in files.items() if path.exists()}
    return {row.name: row.instructions for row in emulated.instructions(files)}


def main(_):
    rows, folder = Path(FLAGS.rows), Path(FLAGS.runs)
    lines = rows.read_text().splitlines() if rows.exists() else []
    there = {json.loads(line)["seed"] for line in lines}
    for seed in map(int, FLAGS.seeds):
        search = folder / f"person-{seed}" / "ticket"
        if seed in there or run_folder.finished_rounds(search) <= max(number for number, _ in NETS.values()):
            continue
        photos = read(FLAGS.photos, FLAGS.image_size)
        parts, lines = split(photos, seed, "person"), []
        for net, (number, formats) in NETS.items():
            ticket = lottery.load_ticket(run_folder.round_folder(search, number))
            place, counted = folder / "files" / f"{seed}-{number}", {}
            if FLAGS.arm and seed == int(FLAGS.seeds[0]):
                even = read(FLAGS.photos, EVEN)
                counted = instructions(ticket, even, parts, place / str(EVEN), formats)
            for of in measured(ticket, photos, parts, place, formats):
                count = counted.get(of["file"])
                lines.append(
                    {"seed": seed, "net": net, "sparsity": ticket.sparsity, **of, "instructions": count}
                )
        with rows.open("a") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    flags.DEFINE_string("photos", None, "a folder with one sub-folder of photos a class", required=True)
    flags.DEFINE_list("seeds", ["0", "1", "2", "3", "4"], "the seeds")
    flags.DEFINE_string("runs", "runs/photos", "the folder of run.py")
    flags.DEFINE_string("rows", str(Path(__file__).parent / "files.jsonl"), "the file of results")
    flags.DEFINE_integer("image_size", 96, "height and width that photos are resized to")
    flags.DEFINE_bool("arm", True, "count the first seed's instructions; sets up the emulation, with apt")
    app.run(main)

"""`lottery-shrink` on the pretrained net and the photos, by its defaults.

    python docs/photos/shrink.py --photos=FOLDER --model=FILE.keras [--seeds=0,1,2] [--runs=runs/shrink]

Each seed draws the test photos, the validation photos, the head and the order of training. What the command
wrote and lost goes to docs/photos/shrink.jsonl; `python docs/photos/summary.py` makes the table of it. A seed
that has its row is not run again.
"""

import json
import subprocess
import sys
from pathlib import Path

from absl import app, flags

from keras_lottery.core.jsonable import plain
from keras_lottery.training import run_folder

HERE = Path(__file__).parent
ROWS = HERE / "shrink.jsonl"
FLAGS = flags.FLAGS


def shrunk(seed: int, folder: Path) -> dict:
    """The result of the command for a seed, which is run unless its folder has it."""
    if not (folder / run_folder.RESULT).exists():
        subprocess.run(
            [
                sys.executable,
                "-m",
                "keras_lottery.apps.shrink",
                f"--model={FLAGS.model}",
                f"--dataset={FLAGS.photos}",
                f"--image_size={FLAGS.image_size}",
                f"--seed={seed}",
                f"--run_dir={folder}",
                f"--output={folder.with_suffix('.tflite')}",
            ],
            check=True,
        )
    return run_folder.read_result(folder)


def row(result: dict) -> dict:
    """What the table shows of a result."""
    before, after = result["files"][0], next(file for file in result["files"] if file["chosen"])
    return {
        "seed": result["seed"],
        "images": result["data"]["sizes"],
        "image_size": result["data"]["input_shape"][0],
        "precision": result["precision"],
        "recipe": result["recipe"],
        "epochs": result["epochs"],
        "max_loss": result["max_loss"],
        "sparsity": result["sparsity"],
        "encoded": after["encoded"],
        "bytes": {"dense": before["bytes"], "written": after["bytes"]},
        "zstd": {"dense": before["zstd"], "written": after["zstd"]},
        "test": {"dense": result["test"]["dense"], "written": result["test"]["chosen"]},
        "minutes": result["minutes"],
    }


def main(_):
    done = [json.loads(line)["seed"] for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    for seed in map(int, FLAGS.seeds):
        if seed not in done:
            found = row(shrunk(seed, Path(f"{FLAGS.runs}-{seed}")))
            with ROWS.open("a") as file:
                file.write(json.dumps(plain(found)) + "\n")


if __name__ == "__main__":
    flags.DEFINE_string("photos", None, "a folder with one sub-folder of photos a class", required=True)
    flags.DEFINE_string("model", None, "a pretrained model", required=True)
    flags.DEFINE_list("seeds", ["0", "1", "2"], "the seeds")
    flags.DEFINE_string("runs", "runs/shrink", "where the runs are kept, with -SEED after it")
    flags.DEFINE_integer("image_size", 96, "height and width that photos are resized to")
    app.run(main)

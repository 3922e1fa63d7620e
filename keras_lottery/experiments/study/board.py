"""Rows as TensorBoard's scalars and HParams."""

import shutil
from pathlib import Path

from ...core.errors import LotteryError

HYPERPARAMETERS = ("model", "source", "target", "seed", "control", "rewind", "ticket_sparsity", "epochs")


def write(rows, folder):
    """Write one TensorBoard run a row, validation accuracy by step and test accuracy, in place of what is in
    `folder`.

    Raises:
      LotteryError: TensorBoard is not installed.
    """
    try:
        import tensorflow as tf
        from tensorboard.plugins.hparams import api
    except ImportError as error:
        raise LotteryError(
            "this needs TensorFlow and TensorBoard: pip install 'keras_lottery[tensorboard]'."
        ) from error
    folder = Path(folder)
    if folder.exists():
        shutil.rmtree(folder)
    for row in (row for row in rows if row["test_accuracy"] is not None):
        target, at = row["target"].replace("/", "_"), f"{row['ticket_sparsity']:g}"
        place = folder / f"{target}-{row['control']}-{at}-{row['seed']}-{row['run'][:4]}"
        with tf.summary.create_file_writer(str(place)).as_default():
            api.hparams({name: str(row[name]) if name == "rewind" else row[name] for name in HYPERPARAMETERS})
            for step, value in zip(row["curve_steps"], row["validation_curve"]):
                if value is not None:
                    tf.summary.scalar("validation_accuracy", value, step)
            tf.summary.scalar("test_accuracy", row["test_accuracy"], row["steps"]["stop"])

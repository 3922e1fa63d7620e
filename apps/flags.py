"""The flags that commands share, and running one: a user's mistake is one line and exit code 2."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import app, flags  # noqa: E402

from apps.quiet import filter_stderr  # noqa: E402

FLAGS = flags.FLAGS


def define_data(dataset_help="a TFDS name, a folder with one sub-folder of images a class, or digits"):
    flags.DEFINE_string("dataset", "digits", dataset_help)
    flags.DEFINE_string("data_dir", None, "where TFDS data are (default: TFDS's own place)")
    flags.DEFINE_string("train_split", "train", "split or slice to train on, such as train[:50%]")
    flags.DEFINE_string("test_split", "test", "split or slice to test on")
    flags.DEFINE_list("classes", None, "labels or names of the classes to keep (default: all)")
    flags.DEFINE_float("validation", 0.1, "share of the training split held out for validation")
    flags.DEFINE_integer("image_size", None, "resize images to this height and width")
    flags.DEFINE_integer("channels", None, "1 makes images grey, 3 makes them RGB")
    flags.DEFINE_bool("augment", False, "random flip and pad-4 crop of training images")
    flags.DEFINE_integer("batch_size", 128, "images a step")


def define_training(epochs, epochs_help):
    flags.DEFINE_integer("epochs", epochs, epochs_help)
    flags.DEFINE_string("optimizer", "sgd", "sgd, nesterov (momentum 0.9), adam, adamw, rmsprop or lion")
    flags.DEFINE_float("learning_rate", 0.1, "learning rate at the start")
    flags.DEFINE_string("schedule", "cosine", "learning rate over a training: constant, cosine (to 0) or step")
    flags.DEFINE_float("weight_decay", 0.0, "weight decay, times the learning rate")
    flags.DEFINE_integer("seed", 0, "random seed: same seed, same result")
    flags.DEFINE_enum("precision", "auto", ["auto", "float32", "mixed_bfloat16", "mixed_float16"],
                      "computation; auto is mixed_bfloat16 where the processor has it. Weights stay float32")
    flags.DEFINE_enum("strategy", "none", ["none", "mirrored"], "mirrored trains on all devices of this machine")
    flags.DEFINE_bool("verbose", True, "show Keras' progress bars")


def data_arguments():
    names = ("data_dir", "train_split", "test_split", "classes", "validation", "image_size", "channels", "augment",
             "batch_size")
    return {"name": FLAGS.dataset, **{name: getattr(FLAGS, name) for name in names}}


def recipe():
    return {name: getattr(FLAGS, name) for name in ("optimizer", "learning_rate", "schedule", "weight_decay")}


def run_command(command, main):
    """Parse the flags and call main(); `command` begins the line about a mistake."""
    filter_stderr()
    app.define_help_flags()
    try:
        rest = FLAGS(sys.argv)
        if rest[1:]:
            raise flags.Error(f"{rest[1]!r} is no flag: write --name=value (--helpshort lists them)")
        from keras_lottery import LotteryError

        try:
            main()
        except LotteryError as error:
            _stop(command, error)
    except flags.Error as error:
        _stop(command, error)
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from the last finished epoch", file=sys.stderr)
        sys.exit(130)


def _stop(command, error):
    print(f"{command}: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(2)

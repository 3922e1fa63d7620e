"""The flags that commands share, and running one: a user's mistake is one line and exit code 2."""

import os
import signal
import sys
import textwrap
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import flags  # noqa: E402

from .quiet import filter_stderr  # noqa: E402
from .words import in_flags  # noqa: E402

FLAGS = flags.FLAGS
_OUT_OF_MEMORY = (
    "MemoryError",
    "ResourceExhaustedError",
    "OutOfMemoryError",
)  # of Python, TensorFlow and PyTorch
_PLAIN = {  # absl's words -> ours
    "invalid literal for int() with base 10:": "expected a whole number, not",
    "could not convert string to float:": "expected a number, not",
    "Non-boolean argument to boolean flag": "expected true or false",
}


def define_data(to, dataset_help="a TFDS name, a folder with one sub-folder of images a class, or digits"):
    flags.DEFINE_string("dataset", "digits", dataset_help, to)
    define_data_options(to)


def define_data_options(to):
    flags.DEFINE_string("data_dir", None, "where TFDS data are (default: TFDS's own place)", to)
    flags.DEFINE_string("train_split", "train", "split or slice to train on, such as train[:50%]", to)
    flags.DEFINE_string("test_split", "test", "split or slice to test on", to)
    flags.DEFINE_list(
        "classes", None, "labels or names of the classes to keep (default: all)", flag_values=to
    )
    flags.DEFINE_float(
        "validation", 0.1, "share of the training split held out for validation", flag_values=to
    )
    flags.DEFINE_integer("image_size", None, "resize images to this height and width", flag_values=to)
    flags.DEFINE_integer("channels", None, "1 makes images grey, 3 makes them RGB", flag_values=to)
    flags.DEFINE_bool("augment", False, "random flip and pad-4 crop of training images", to)
    flags.DEFINE_integer("batch_size", 128, "images a step", flag_values=to)


def define_model(to):
    flags.DEFINE_string(
        "model", "lenet", "a builder's name (lenet, conv2, resnet20, vgg19, ...) or a saved .keras file", to
    )
    flags.DEFINE_float("width", 1.0, "times as many filters as the literature's net", flag_values=to)


def define_training(to, epochs, epochs_help):
    define_recipe(to, epochs, epochs_help)
    flags.DEFINE_integer("seed", 0, "random seed: same seed, same result", flag_values=to)
    flags.DEFINE_bool("verbose", True, "show Keras' progress bars", to)


def define_recipe(to, epochs, epochs_help):
    flags.DEFINE_integer("epochs", epochs, epochs_help, flag_values=to)
    flags.DEFINE_string("optimizer", "sgd", "sgd, nesterov (momentum 0.9), adam, adamw, rmsprop or lion", to)
    flags.DEFINE(
        Numbers(),
        "learning_rate",
        0.1,
        "learning rate at the start; with --schedule=step also several, such as 0.005,0.001,0.0001",
        to,
    )
    flags.DEFINE_string(
        "schedule",
        "cosine",
        "learning rate over a training: constant, cosine (to 0) or step (a tenth after 1/2 and after 3/4)",
        to,
    )
    flags.DEFINE_float(
        "weight_decay",
        0.0,
        "weight decay, times the learning rate (PyTorch's SGD with momentum 0.9 decays ten times as much for the same number)",
        flag_values=to,
    )
    flags.DEFINE_string(
        "precision",
        "auto",
        "auto, float32, mixed_bfloat16 or mixed_float16. auto is the fastest here: "
        "mixed_bfloat16 on TPUs and processors that have it, mixed_float16 on GPUs with tensor cores. Weights stay float32",
        to,
    )
    flags.DEFINE_string(
        "backend",
        "auto",
        "tf_keras, or tensorflow, jax or torch for Keras 3 on it. auto is the fastest here",
        to,
    )
    flags.DEFINE_string("strategy", "none", "none, or mirrored to train on all devices of this machine", to)


def define_machines(to):
    """Of commands whose run is one training after the other: where else it may be done."""
    to[
        "strategy"
    ].help += ", multiworker on the machines that TF_CONFIG names, each of which runs this command, or tpu"
    flags.DEFINE_string("tpu", None, "name or address of the TPU for --strategy=tpu (default: local)", to)


class Numbers(flags.ArgumentParser):
    """A number, or several separated by commas."""

    def parse(self, argument):
        if not isinstance(argument, str):
            return argument
        numbers = [float(number) for number in argument.split(",")]
        return numbers if len(numbers) > 1 else numbers[0]


def define_run(to, run_dir):
    flags.DEFINE_string(
        "run_dir", run_dir, "folder of the run; the same command goes on where it was stopped", to
    )
    flags.DEFINE_bool("overwrite", False, "start anew in run_dir, deleting the run that is there", to)


def data_arguments(given):
    return {"name": given.dataset, **data_options(given)}


def data_options(given):
    names = (
        "data_dir",
        "train_split",
        "test_split",
        "classes",
        "validation",
        "image_size",
        "channels",
        "augment",
        "batch_size",
    )
    return {name: given[name].value for name in names}


def recipe(given):
    return {name: given[name].value for name in ("optimizer", "learning_rate", "schedule", "weight_decay")}


def training_arguments(given):
    names = ("epochs", "seed", "precision", "backend", "strategy", "tpu", "run_dir", "overwrite")
    rest = {name: given[name].value for name in names if name in given}
    return {**rest, "recipe": recipe(given), "verbose": "auto" if given.verbose else 0}


class Terminated(KeyboardInterrupt):
    """SIGTERM, as `kill`, a cluster's scheduler or a container gives it: the command ends as it does on Ctrl-C."""


def _terminate(*_):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one does not wait
    raise Terminated


def run_command(command, main, values=FLAGS):
    """The command as a program: TensorFlow's notices off the terminal, the exit code to the shell."""
    drain = filter_stderr()
    signal.signal(signal.SIGTERM, _terminate)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `... | head` ends it without a traceback
    try:
        sys.exit(execute(command, main, values, sys.argv))
    except Exception as error:
        from keras_lottery.experiments.machine import is_of_lost_worker

        if not is_of_lost_worker(error):
            raise
        print(
            f"{command}: another worker is gone; starting again from the last finished epoch, once it is back",
            file=sys.stderr,
        )
        drain()
        again = [
            argument
            for argument in sys.orig_argv[1:]
            if argument.lstrip("-").partition("=")[0] != "overwrite"
        ]  # what is done stays
        os.execv(sys.executable, [sys.executable, *again])


def execute(command, main, values, argv):
    """Parse the flags in argv[1:] into `values` and call main(); `command` begins the line about a mistake.

    Returns:
      The exit code: 0, 2 for a mistake of the user's, 130 if interrupted, 143 if terminated.
    """
    doc = sys.modules[main.__module__].__doc__
    if {"--help", "-h", "--helpshort", "-help", "-helpshort"} & set(argv[1:]):
        print(_help(command, doc, values))
        return 0
    try:
        for name in values:
            values[name].unparse()
        rest = values(argv)
        if "files" in values:  # a command on files takes them without a flag too
            values.files = [*values.files, *rest[1:]]
        elif rest[1:]:
            raise flags.Error(f"{rest[1]!r} is no flag: write --name=value (--help lists them)")
        from keras_lottery import LotteryError

        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(
                f"{command}: note: {in_flags(_line(message), values)}", file=sys.stderr
            )
            try:
                if "backend" in values:  # before anything imports Keras
                    from keras_lottery.experiments.machine import choose_backend

                    choose_backend(values.backend)
                main()
            except LotteryError as error:
                return _mistake(command, in_flags(_line(error), values))
            except Exception as error:
                if type(error).__name__ in _OUT_OF_MEMORY or "RESOURCE_EXHAUSTED" in str(
                    error
                ):  # which XLA says
                    return _mistake(
                        command,
                        "there is not enough memory: give a smaller --batch_size, smaller images or a smaller net",
                    )
                raise
    except flags.Error as error:
        return _mistake(command, error)
    except KeyboardInterrupt as stop:
        print(
            "\nstopped" + "; the same command goes on from the last finished epoch" * ("run_dir" in values),
            file=sys.stderr,
        )
        return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
    return 0


def _mistake(command, error):
    text = _line(error)
    for words, plain in _PLAIN.items():
        text = text.replace(words, plain)
    print(f"{command}: {text}", file=sys.stderr)
    return 2


def _line(text):
    """`text` as one line that a terminal holds, whatever was given."""
    line = " ".join(str(text).split())
    return line if len(line) <= 1000 else f"{line[:600]} ... {line[-300:]}"


def _help(command, doc, values):
    lines = [doc.strip(), "", f"flags of {command}, as --name=value:"]
    for name in values:
        flag = values[name]
        if values.find_module_defining_flag(name).startswith("absl."):
            continue
        default = (
            ""
            if flag.default is None or flag.default == []
            else f" (default: {flag.default_as_str.strip(chr(39))})"
        )
        text = textwrap.wrap(
            flag.help + default, 92, initial_indent=f"  --{name:16} ", subsequent_indent=" " * 21
        )
        lines += text
    return "\n".join(lines)

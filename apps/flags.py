"""The flags that commands share, and running one: a user's mistake is one line and exit code 2."""

import os
import signal
import sys
import textwrap
import typing
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import flags  # noqa: E402

from keras_lottery.config import options  # noqa: E402
from keras_lottery.core.errors import LotteryError  # noqa: E402

from .quiet import filter_stderr  # noqa: E402
from .synonyms import hint  # noqa: E402
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


def define(to, config, *, leave=(), **defaults):
    """Flags of the options of a config, but for those to leave out, with this command's own defaults."""
    for field in options(config):
        if field.name in leave:
            continue
        default = defaults.get(field.name, field.default)
        if isinstance(default, tuple):
            default = list(default)
        _definer(field.type)(field.name, default, field.metadata["help"], flag_values=to)


def _definer(kind):
    """What defines a flag for an option whose values are of a type."""
    kinds = set(typing.get_args(kind) or [kind])
    if bool in kinds:
        return flags.DEFINE_bool
    if float in kinds and kinds & {list, tuple}:
        return lambda *args, flag_values: flags.DEFINE(Numbers(), *args, flag_values)
    if str in kinds:
        return flags.DEFINE_string
    if int in kinds:
        return flags.DEFINE_integer
    return flags.DEFINE_float if float in kinds else flags.DEFINE_list


def read(values, config, **more):
    """The config that the flags say, but for `more`; options without a flag have their defaults.

    Raises:
      LotteryError: an option says so, or there is no --dataset where a command has none by default.
    """
    names = {field.name for field in options(config)}
    if "dataset" in names & set(values) - set(more) and values["dataset"].value is None:
        raise LotteryError(
            "no data set given: give dataset='FOLDER' with one sub-folder of images for each class, a TFDS "
            "name or digits."
        )
    return config.of({**{name: values[name].value for name in values}, **more})


class Numbers(flags.ArgumentParser):
    """A number, or several separated by commas."""

    def parse(self, argument):
        if not isinstance(argument, str):
            return argument
        numbers = [float(number) for number in argument.split(",")]
        return numbers if len(numbers) > 1 else numbers[0]


class Terminated(KeyboardInterrupt):
    """SIGTERM, as `kill`, a cluster's scheduler or a container gives it: the command ends as it does on
    Ctrl-C."""


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
            f"{command}: another worker is gone; starting again from the last finished epoch, once it is "
            "back",
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
        from keras_lottery.core import saying

        def translated(text):
            return in_flags(text, values)

        with warnings.catch_warnings(), saying.in_words(translated):
            warnings.showwarning = lambda message, *_: print(
                f"{command}: note: {translated(_line(message))}", file=sys.stderr
            )
            try:
                if "backend" in values:  # before anything imports Keras
                    from keras_lottery.experiments.machine import choose_backend

                    choose_backend(values.backend)
                main()
            except LotteryError as error:
                return _mistake(command, translated(_line(error)))
            except Exception as error:
                if type(error).__name__ in _OUT_OF_MEMORY or "RESOURCE_EXHAUSTED" in str(
                    error
                ):  # which XLA says
                    return _mistake(
                        command,
                        "there is not enough memory: give a smaller --batch_size, smaller images or a "
                        "smaller net",
                    )
                raise
    except flags.UnrecognizedFlagError as error:
        return _mistake(command, hint(error, values))
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
    from keras_lottery.core.visible import visible

    line = visible(" ".join(str(text).split()))
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

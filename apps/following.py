"""The command that comes next, with what is known filled in."""

import os
import shlex


def export(ticket, values):
    """The lottery-export of a ticket, judged on the data that the flags `values` say.

    >>> from types import SimpleNamespace
    >>> given = SimpleNamespace(dataset="my photos", data_dir=None, skip_bad=True, run_dir="runs/a")
    >>> export("runs/a/round_10", given)
    "lottery-export --ticket=runs/a/round_10 '--dataset=my photos' --skip_bad --output=runs/a/student.tflite"
    """
    words = [f"--ticket={ticket}", f"--dataset={values.dataset}"]
    words += [f"--data_dir={values.data_dir}"] if values.data_dir else []
    words += ["--skip_bad"] if values.skip_bad else []
    return shlex.join(["lottery-export", *words, f"--output={values.run_dir}/student.tflite"])


def after_search(ticket, values):
    """Of a search its export; of one on a known data set first a transfer to another."""
    if os.path.isdir(os.path.expanduser(values.dataset)):
        return [export(ticket, values)]
    return [f"lottery-transfer --ticket={shlex.quote(ticket)} --dataset=...", export(ticket, values)]

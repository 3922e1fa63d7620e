"""Which classes of a data set a user chose."""

import numpy as np

from keras_lottery.core.checks import shown
from keras_lottery.core.errors import LotteryError
from keras_lottery.data import sources


def chosen(name, names, wanted):
    """The source's label of each class to keep, and their names."""
    if wanted is None:
        keep = list(range(len(names)))
    else:
        keep = [_label(name, names, c) for c in wanted]
    if len(set(keep)) < len(keep):
        raise LotteryError(f"classes={shown(list(wanted))}: each class once, please")
    if len(keep) < 2:
        raise LotteryError(
            f"{name}: {len(keep)} class{'es' * (len(keep) != 1)} to tell apart; expected 2 or more"
        )
    return keep, tuple(names[k] for k in keep)


def _label(name, names, wanted):
    number = isinstance(wanted, (int, np.integer)) and not isinstance(wanted, bool)
    text = wanted if isinstance(wanted, str) else shown(wanted)
    if not number and text in names:
        return names.index(text)
    if number and 0 <= wanted < len(names) or text.isdecimal() and len(text) < 10 and int(text) < len(names):
        return int(wanted)
    among = ", ".join(names[:20]) + ", ..." * (len(names) > 20)
    raise LotteryError(
        f"class {shown(wanted)} is not in {name}: expected labels 0 to {len(names) - 1} "
        f"or names among {among}" + ("" if text.isdigit() else sources.near(text, names))
    )


def relabel(name, labels, keep, num_classes):
    """Labels (n,) of a source as positions in `keep`, -1 for those that are not kept."""
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if len(wrong):
        raise LotteryError(
            f"{name}: {len(wrong)} labels out of range, such as {wrong[0]}: expected 0 to "
            f"{num_classes - 1}; is this a split whose labels are withheld?"
        )
    new = np.full(num_classes, -1, np.int64)
    new[keep] = np.arange(len(keep))
    return new[labels]

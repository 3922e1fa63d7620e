"""What tf.data keeps private of how a data set was made.

`tests/engines/test_private_names.py` tries each name.
"""


def inputs(dataset):
    """The data sets that a tf.data.Dataset is made from; none of what is no such data set."""
    found = getattr(dataset, "_inputs", None)
    return found() if callable(found) else ()


def repeats(dataset):
    """How many passes over its input one pass over a data set is: the count of a repeat, -1 for no end, else
    1."""
    return int(dataset._count) if type(dataset).__name__ == "_RepeatDataset" else 1


def may_end_before(dataset):
    """Whether a data set may end before its input does."""
    return type(dataset).__name__ in ("_TakeDataset", "_TakeWhileDataset")


def shuffles_anew(dataset):
    """Whether a shuffle takes another order in each pass; False of what does not shuffle."""
    return bool(getattr(dataset, "_reshuffle_each_iteration", False))


def shuffles_unseeded(dataset):
    """Whether a shuffle has one order, and no seed for another process to find it again."""
    if not hasattr(dataset, "_reshuffle_each_iteration") or shuffles_anew(dataset):
        return False
    return not int(dataset._seed) and not int(dataset._seed2)

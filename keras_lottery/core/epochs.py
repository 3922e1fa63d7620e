"""How many batches of equal size an epoch has."""

SMALL = 100  # whole batches; from here on a partial batch is less than 1% of the examples


def steps(examples: int, batch_size: int) -> int:
    """The training batches of one epoch, all of `batch_size` examples.

    A last, partial batch is filled up with the first examples of the epoch's order where the set has fewer
    than 100 whole batches, so that every example is seen in every epoch. A larger set leaves it out, which is
    less than 1% of the examples, others in each epoch.

    Args:
      examples: how many there are, int >= batch_size.
      batch_size: int >= 1.

    >>> steps(21, 8), steps(24, 8), steps(8 * 100 + 5, 8)
    (3, 3, 100)
    """
    whole, rest = divmod(examples, batch_size)
    return whole + bool(rest and whole < SMALL)


def fill(examples: int, batch_size: int) -> int:
    """How many of the epoch's first examples fill up its last batch; 0 where it is whole or left out.

    >>> fill(21, 8), fill(24, 8), fill(8 * 100 + 5, 8)
    (3, 0, 0)
    """
    return max(0, steps(examples, batch_size) * batch_size - examples)

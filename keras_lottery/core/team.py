"""The processes that train one model together: all compute the same, the chief writes the files, the others
read them."""

_chief, _wait = True, None


def join(chief, wait):
    """Say once what this process is.

    Args:
      chief: whether it writes the files of the run.
      wait: a function that returns once every process of the team has called it.
    """
    global _chief, _wait
    _chief, _wait = chief, wait


def is_joined():
    """Whether there are other processes."""
    return _wait is not None


def is_chief():
    """Whether this process writes files; true of one that is alone."""
    return _chief


def wait():
    """Barrier: block until every process of the team calls it. Files the chief wrote before it are then
    visible."""
    if _wait is not None:
        _wait()

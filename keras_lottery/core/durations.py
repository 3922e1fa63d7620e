"""Times in words."""


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(89), duration(91), duration(9000)
    ('89 seconds', '1.5 minutes', '2.5 hours')
    """
    if seconds <= 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds <= 90 * 60 else f"{seconds / 3600:.1f} hours"

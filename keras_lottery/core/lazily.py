"""Arrays that are made one at a time, when somebody asks for them."""

from collections.abc import Mapping


class Lazily(Mapping):
    """{name: array}, each made by a function when it is asked for, and kept by nobody.

    Args:
      given: {name: what the array is made from}.
      make: a function from that to the array.

    >>> squares = Lazily({"a": 2, "b": 3}, lambda number: number**2)
    >>> squares["b"], dict(squares)
    (9, {'a': 4, 'b': 9})
    """

    def __init__(self, given, make):
        self._given, self._make = given, make

    def __getitem__(self, name):
        return self._make(self._given[name])

    def __iter__(self):
        return iter(self._given)

    def __len__(self):
        return len(self._given)

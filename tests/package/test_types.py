"""Editors and type checkers know what public functions take and give."""

import inspect

import keras_lottery as lottery


def unannotated(function):
    """The parameters of a function that say no type, and "return"."""
    signature = inspect.signature(function)
    missing = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation is parameter.empty and name not in ("self", "cls")
    ]
    return missing + ["return"] * (signature.return_annotation is signature.empty)


def public():
    """(name, function) of the public functions, methods and functions of public modules."""
    for name in lottery.__all__:
        value = getattr(lottery, name)
        members = vars(value).items() if inspect.ismodule(value) else [(name, value)]
        for own, member in members:
            if own.startswith("_") or inspect.ismodule(value) and member_of(member) != value.__name__:
                continue
            if inspect.isfunction(member):
                yield own, member
            if inspect.isclass(member):
                yield from (
                    (f"{own}.{method}", function)
                    for method, function in vars(member).items()
                    if inspect.isfunction(function) and (not method.startswith("_") or method == "__init__")
                )


def member_of(value):
    return getattr(value, "__module__", None)


def test_what_is_public_says_its_types():
    found = dict(public())
    assert {"wrap", "find_ticket", "Ticket.model", "load", "build", "student", "layers"} <= found.keys()
    untold = {name: unannotated(function) for name, function in found.items()}
    # A dataclass's __init__ has its fields' types.
    assert {name: missing for name, missing in untold.items() if missing} == {}

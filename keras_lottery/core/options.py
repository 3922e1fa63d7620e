"""What a run is told, each option written once: its default, its help, its check, and whether it tells runs
apart."""

import dataclasses
import shlex

from .checks import known, shown, true_or_false
from .errors import LotteryError
from .functions import described
from .jsonable import MISSING


def option(default, help, check=None, *, apart=False, was=MISSING):
    """A field of a `Config`.

    Args:
      default: its value where nobody says another.
      help: one line for people, without a full stop.
      check: a function of (name, value) that gives the value in its standard form, or raises LotteryError. A
        default of None passes unchecked. By default a field that is True or False must be one of them.
      apart: whether runs that differ in it may not be compared with each other.
      was: the value of runs and results that were made before the option existed and so do not record it;
        by default `default`. If it is given, `told` leaves the option out where it has this value.
    """
    if check is None and isinstance(default, bool):
        check = boolean
    return dataclasses.field(
        default=default,
        metadata={
            "help": help,
            "check": check,
            "apart": apart,
            "was": default if was is MISSING else was,
            "later": was is not MISSING,
        },
    )


def several(config, name, default, help):
    """A field that holds a tuple of values for the option `name` of `config`, each checked as one."""
    check = check_of(config, name)
    return option(
        default, help, lambda own, values: tuple(check(own, value) for value in listed(own, values))
    )


def check_of(config, name):
    """The check of an option of a config."""
    return next(field.metadata["check"] for field in dataclasses.fields(config) if field.name == name)


def one_of(choices):
    """A check: the value is one of `choices`."""

    def check(name, value):
        known(name, value, choices)
        return value

    return check


def boolean(name, value):
    """A check: the value is True or False."""
    true_or_false(**{name: value})
    return bool(value)


def listed(name, values):
    """A check: `values` are a list, or any iterable but text; as a tuple."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise LotteryError(f"{name}={shown(values)} is impossible: give a list.")
    return tuple(values)


@dataclasses.dataclass(frozen=True)
class Config:
    """Options that belong together. Its fields are made by `option`, or hold other configs."""

    def __post_init__(self):
        for field in options(type(self)):
            value = getattr(self, field.name)
            check = field.metadata["check"]
            if check is not None and not (value is None and field.default is None):
                object.__setattr__(self, field.name, check(field.name, value))

    @classmethod
    def of(cls, given: dict):
        """The config with those entries of `given` that are options of it; the others have their defaults."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: given[name] for name in names if name in given})

    def entries(self) -> dict:
        """{name: value} of all options."""
        return {field.name: getattr(self, field.name) for field in options(type(self))}

    def told(self) -> dict:
        """`entries`, without newer options that have the value of runs made before the option existed, so
        that the entries equal those of earlier versions."""
        later = {
            field.name: field.metadata["was"] for field in options(type(self)) if field.metadata["later"]
        }
        return {
            name: _said(value)
            for name, value in self.entries().items()
            if name not in later or value != later[name]
        }

    def unusual(self) -> dict:
        """{name: value} of the options under which runs are not comparable, if the value differs from that of
        results made before the option existed."""
        told = {
            field.name: getattr(self, field.name) for field in options(type(self)) if field.metadata["apart"]
        }
        before = usual(type(self))
        return {
            name: _said(value) for name, value in told.items() if value is not None and value != before[name]
        }


def _said(value):
    """A value as files hold it: a function by what tells it from others."""
    return described(value) if callable(value) else value


def command(name, *configs) -> str:
    """The line of a command that is told some configs: its flags are the options that are not their defaults.

    Where the caller keeps data is left out: it is different elsewhere.
    """
    words = [
        _flag(field.name, getattr(config, field.name))
        for config in configs
        for field in options(type(config))
        if getattr(config, field.name) != field.default and field.name != "data_dir"
    ]
    return shlex.join([name, *words])


def _flag(name, value):
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={','.join(map(str, value)) if isinstance(value, (list, tuple)) else value}"


def options(config) -> list:
    """The fields of a config that `option` made."""
    return [field for field in dataclasses.fields(config) if "check" in field.metadata]


def usual(*configs) -> dict:
    """{name: value} for the options under which runs are not comparable, with the values of results that do
    not record them."""
    return {
        field.name: field.metadata["was"]
        for config in configs
        for field in options(config)
        if field.metadata["apart"]
    }

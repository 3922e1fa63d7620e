"""What tells a function of the user's from others, since no file can hold the function itself."""

import dis
import functools
import hashlib
import types

import numpy as np

from .errors import LotteryError
from .fingerprint import fingerprint


def described(function):
    """The function's name and a hash of what it computes: of its code, its defaults, the values that it takes
    from around it, and the functions of its module that it calls.

    Functions of other modules, and classes, count by their names alone. Another minor version of Python
    compiles to other code, and so to another hash.

    >>> described(lambda x: x + 1) == described(lambda x: x + 1) != described(lambda x: x + 2)
    True
    """
    name = getattr(function, "__qualname__", type(function).__qualname__).rpartition("<locals>.")[2]
    content = "\n".join(_Account(function).parts)
    return f"{name} {hashlib.sha256(content.encode()).hexdigest()[:12]}"


def check_described(name, function):
    """Raises LotteryError if a function looks at something that `described` cannot tell from others."""
    unknown = _Account(function).unknown
    if unknown:
        raise LotteryError(
            f"{name} looks at {', '.join(unknown)}, which no run folder can tell from another: give the "
            "function numbers, text or arrays instead, as functools.partial(function, x=...) does, or leave "
            "run_dir out."
        )


class _Account:
    """What a function depends on, as lines of text; `unknown` names what has none."""

    def __init__(self, function):
        self.module = getattr(function, "__module__", None)
        self.parts, self.unknown, self._seen = [], [], set()
        self._add("", function)

    def _add(self, name, value):
        if isinstance(value, types.FunctionType):
            self._add_function(value)
        elif isinstance(value, types.MethodType):
            self._add_all("self", [value.__func__, value.__self__])
        elif isinstance(value, functools.partial):
            self._add_all("partial", [value.func, value.args, value.keywords])
        elif isinstance(value, (list, tuple)):
            self._add_all(name, value)
        elif isinstance(value, dict):
            self._add_all(name, [item for pair in value.items() for item in pair])
        elif isinstance(value, (np.ndarray, np.generic)):
            self.parts.append(fingerprint(value))
        elif value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            self.parts.append(repr(value))
        elif isinstance(value, (set, frozenset)):
            self.parts += sorted(map(repr, value))
        elif isinstance(value, (type, types.ModuleType, types.BuiltinFunctionType, np.ufunc)):
            self.parts.append(f"{getattr(value, '__module__', '')}.{value.__name__}")
        elif isinstance(getattr(type(value), "__call__", None), types.FunctionType):
            self._add_all(name, [type(value).__call__, vars(value)] if self._is_new(value) else [])
        else:
            self.unknown.append(f"{repr(name) + ', ' if name else ''}a {type(value).__name__}")

    def _add_all(self, name, values):
        self.parts.append(str(len(values)))
        for value in values:
            self._add(name, value)

    def _add_function(self, function):
        if function.__module__ != self.module or not self._is_new(function):
            self.parts.append(f"{function.__module__}.{function.__qualname__}")
            return
        self._add_all("a default", [function.__defaults__, function.__kwdefaults__])
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            self.parts.append(name)
            self._add(name, cell.cell_contents)
        for name in self._add_code(function.__code__):
            if name in function.__globals__:
                self.parts.append(name)
                self._add(name, function.__globals__[name])

    def _add_code(self, code):
        """Add what a function was compiled to; the names of the globals that it reads."""
        self.parts += [code.co_code.hex(), *code.co_names, *code.co_varnames]
        read = [
            step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
        ]
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                read += self._add_code(constant)
            else:
                self._add("a constant", constant)
        return sorted(set(read))

    def _is_new(self, value):
        new = id(value) not in self._seen
        self._seen.add(id(value))
        return new

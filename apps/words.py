"""Messages of the library, which name arguments as Python does, in the words of a command: its flags."""

import ast
import re
import shlex

from keras_lottery.config import DataConfig, Machines, Net, Recipe, Run, SearchConfig, options

_CALL = r"\w\([^()]*\)"  # code stays as it is
_VALUE = r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]|\([^)]*\)|[^\s,;:()'\"]+?(?=\.?(?:[\s,;:()]|$))"
_ARGUMENT = re.compile(
    rf"{_CALL}|(?<![\w./'\"-])(?P<name>[a-z]\w*)(?:=(?P<value>{_VALUE})|(?![\w/'\"=(-]|\.\w))"
)

_REMARK = re.compile(r" \((?:[^()]|\([^()]*\))*\)")
_CONFIGS = (SearchConfig, Net, DataConfig, Recipe, Machines, Run)
_ARGUMENTS = {field.name for config in _CONFIGS for field in options(config)} | {
    "prune_head",
    "clipnorm",
    "sha256",
}


def in_flags(text, names):
    """`text` with the arguments in it as the flags `names`, where there are such flags.

    name=value becomes --name=value; a name alone does where it cannot be an English word. A remark in
    brackets about an argument that is no flag here, or about a function of `lottery`, is left out.

    >>> text = "optimizer='adm' is unknown. Give another run_dir, or overwrite=True."
    >>> in_flags(text, ["optimizer", "run_dir", "overwrite"])
    '--optimizer=adm is unknown. Give another --run_dir, or --overwrite.'
    >>> in_flags("control='randon' is unknown; width=1e+06, sizes=[8, 9]", ["controls", "width", "sizes"])
    '--controls=randon is unknown; --width=1e+06, --sizes=8,9'
    >>> text = "it is dead (prune less, by a smaller final_sparsity, or give scope='layer')."
    >>> in_flags(text, ["final_sparsity", "scope"])
    'it is dead (prune less, by a smaller --final_sparsity, or give --scope=layer).'
    >>> in_flags(text, ["scope"])
    'it is dead.'
    """
    names = set(names)

    def flag(found):
        name, value = _named(found, names), found["value"]
        if name not in names or value is None and "_" not in name:
            return found[0]
        return f"--{name}" if value is None else _flag(name, value)

    text = _REMARK.sub(lambda found: "" if _is_of_python(found[0], names) else found[0], text)
    return _ARGUMENT.sub(flag, text)


def _named(found, names):
    """The argument that was found; of one item of a list, the name of the list."""
    name, value = found["name"], found["value"]
    return f"{name}s" if name not in names and value and value[0] in "'\"" and f"{name}s" in names else name


def _is_of_python(remark, names):
    """Whether a remark in brackets says what no flag does."""
    named = {
        _named(found, names)
        for found in _ARGUMENT.finditer(remark[2:-1])
        if found["value"] or "_" in (found["name"] or "")
    }
    return "lottery." in remark or bool(named & _ARGUMENTS - names)


def _flag(name, value):
    if value == "None":
        value = "none"
    if value in ("True", "False"):
        return f"--{name}" if value == "True" else f"--no{name}"
    if value[0] in "'\"[(":
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):  # words
            value = value.strip("[]()").split(", ")
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    return f"--{name}={shlex.quote(value) if ' ' in value else value}"

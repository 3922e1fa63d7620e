"""Messages of the library, which name arguments as Python does, in the words of a command: its flags."""

import ast
import re
import shlex

_CALL = r"\w\([^()]*\)"  # code stays as it is
_VALUE = r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]|\([^)]*\)|[^\s,;:()'\"]+?(?=\.?(?:[\s,;:()]|$))"
_ARGUMENT = re.compile(
    rf"{_CALL}|(?<![\w./'\"-])(?P<name>[a-z]\w*)(?:=(?P<value>{_VALUE})|(?![\w/'\"=(-]|\.\w))"
)


def in_flags(text, names):
    """`text` with the arguments in it as the flags `names`, where there are such flags.

    name=value becomes --name=value; a name alone does where it cannot be an English word.

    >>> text = "optimizer='adm' is unknown. Give another run_dir, or overwrite=True."
    >>> in_flags(text, ["optimizer", "run_dir", "overwrite"])
    '--optimizer=adm is unknown. Give another --run_dir, or --overwrite.'
    >>> in_flags("control='randon' is unknown; width=1e+06, sizes=[8, 9]", ["controls", "width", "sizes"])
    '--controls=randon is unknown; --width=1e+06, --sizes=8,9'
    """
    names = set(names)

    def flag(found):
        name, value = found["name"], found["value"]
        if name not in names and value and value[0] in "'\"" and f"{name}s" in names:
            name += "s"  # one item of a list
        if name not in names or value is None and "_" not in name:
            return found[0]
        return f"--{name}" if value is None else _flag(name, value)

    return _ARGUMENT.sub(flag, text)


def _flag(name, value):
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

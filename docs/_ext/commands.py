"""{flags} and {config}: blocks that become the options of a command or a config, read from their fields."""

import configparser
import importlib
import inspect
import re
from pathlib import Path

from keras_lottery.core.options import Config, options

SETUP = Path(__file__).parents[2] / "setup.cfg"
OWN = "Of its own", "What only this command takes."
_BLOCK = re.compile(r"```\{(flags|config)\} (\S+)\n```")
_SPECIAL = re.compile(r"([\\*_{}\[\]<>#|~$])")


def flags(command):
    """The description and the flags of a command, such as lottery-find, as Markdown."""
    module = module_of(command)
    parts = [described(module), f"```{{program}} {command}\n```"]
    for (title, told), entries in grouped(module).items():
        parts += [f"## {title}", plain(told)]
        parts += [f":::{{option}} {name}\n{plain(text)}\n:::" for name, text in entries]
    return "\n\n".join(parts)


def config(path):
    """The description and the options of a config, such as keras_lottery.config.Run, as Markdown."""
    module, _, name = path.rpartition(".")
    of = getattr(importlib.import_module(module), name)
    fields = [
        f"`{field.name}`\n: {plain(sentences(field.metadata['help'], field.default, field))}"
        for field in options(of)
    ]
    return "\n\n".join([f"## {name}", plain(purpose(of)), *fields])


def module_of(command):
    """The module that a command of setup.cfg runs."""
    config = configparser.ConfigParser()
    config.read(SETUP)
    for line in config["options.entry_points"]["console_scripts"].split("\n"):
        name, _, target = line.partition(" = ")
        if name == command:
            return importlib.import_module(target.partition(":")[0])
    raise ValueError(f"{command!r} is no command of setup.cfg")


def described(module):
    """The docstring of a command as Markdown: its examples are code."""
    text, _, examples = inspect.getdoc(module).partition("\nExample:\n")
    example, _, more = examples.partition("\n\n")
    code = "\n".join(line.removeprefix("  ") for line in example.splitlines())
    return f"{plain(text)}\n\n```console\n{code}\n```\n\n{plain(more)}"


def grouped(module):
    """{(title, purpose): [(flag, what it does)]}: a command's flags under the config they are fields of."""
    configs = [
        value for value in vars(module).values() if inspect.isclass(value) and issubclass(value, Config)
    ]
    found = {}
    for name in module.FLAGS:
        flag = module.FLAGS[name]
        if module.FLAGS.find_module_defining_flag(name).startswith("absl."):
            continue
        fields = [(config, field) for config in configs for field in options(config) if field.name == name]
        config, field = fields[0] if fields else (None, None)
        default = None if flag.default is None else flag.default_as_str.strip("'")
        shown = f"--{name}" if flag.boolean else f"--{name}=..."
        of = (titled(config), purpose(config)) if config else OWN
        found.setdefault(of, []).append((shown, sentences(flag.help, default, field)))
    return found


def titled(config):
    """The name of a config in words: OwnNet is Own net."""
    words = re.findall("[A-Z][a-z]+", config.__name__.removesuffix("Config"))
    return " ".join(words).capitalize()


def purpose(config):
    """What a config is for: the first sentence of its docstring, up to a semicolon."""
    paragraph = " ".join(inspect.getdoc(config).partition("\n\n")[0].split())
    return re.split(r"[.;:]( |$)", paragraph)[0] + "."


def sentences(help, default, field=None):
    """What an option does, its default, and whether it sets results apart."""
    told = [help]
    if default not in (None, "", (), []):
        told.append(f"Default: {default}")
    if field is not None and field.metadata["apart"]:
        told.append("Results that differ in it are not compared with each other")
    return ". ".join(told) + "."


def plain(text):
    """Text as Markdown that shows it as it is, but for names in backquotes."""
    return _SPECIAL.sub(r"\\\1", text)


def _insert(app, docname, source):
    """Put the text in place of the block that asks for it, before the page is parsed."""
    writers = {"flags": flags, "config": config}
    source[0], count = _BLOCK.subn(lambda block: writers[block[1]](block[2]), source[0])
    if count:
        app.env.note_dependency(__file__, docname=docname)


def setup(app):
    app.connect("source-read", _insert)
    return {"parallel_read_safe": True}

"""{flags} and {config}: the options of a command and of a config, read from their fields when a page is built."""

import configparser
import importlib
import inspect
import re
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

from keras_lottery.core.options import Config, options

SETUP = Path(__file__).parents[2] / "setup.cfg"
OWN = "Of this command"
_SPECIAL = re.compile(r"([\\*_{}\[\]<>#|~$])")


class Flags(SphinxDirective):
    """The description and the flags of the command that is its argument, such as lottery-find."""

    required_arguments = 1

    def run(self):
        command = self.arguments[0]
        module = module_of(command)
        self.env.note_dependency(module.__file__)
        parts = [described(module), f"```{{program}} {command}\n```"]
        for title, flags in grouped(module).items():
            parts += [f"## {plain(title)}", *(f":::{{option}} {name}\n{plain(text)}\n:::" for name, text in flags)]
        return self.parse_text_to_nodes("\n\n".join(parts), allow_section_headings=True)


class Fields(SphinxDirective):
    """The description and the options of the config that is its argument."""

    required_arguments = 1

    def run(self):
        module, _, name = self.arguments[0].rpartition(".")
        config = getattr(importlib.import_module(module), name)
        fields = [
            f"`{field.name}`\n: {plain(sentences(field.metadata['help'], field.default, field))}"
            for field in options(config)
        ]
        text = "\n\n".join([f"## {name}", plain(purpose(config)) + ".", *fields])
        return self.parse_text_to_nodes(text, allow_section_headings=True)


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
    """{title: [(flag, what it does)]}: the flags of a command under the config that they are fields of."""
    configs = [value for value in vars(module).values() if inspect.isclass(value) and issubclass(value, Config)]
    found = {}
    for name in module.FLAGS:
        flag = module.FLAGS[name]
        if module.FLAGS.find_module_defining_flag(name).startswith("absl."):
            continue
        fields = [(config, field) for config in configs for field in options(config) if field.name == name]
        config, field = fields[0] if fields else (None, None)
        default = None if flag.default is None else flag.default_as_str.strip("'")
        shown = f"--{name}" if flag.boolean else f"--{name}=..."
        found.setdefault(purpose(config) if config else OWN, []).append(
            (shown, sentences(flag.help, default, field))
        )
    return found


def purpose(config):
    """What a config is for: the first sentence of its docstring, up to a semicolon."""
    paragraph = " ".join(inspect.getdoc(config).partition("\n\n")[0].split())
    return re.split(r"[.;:]( |$)", paragraph)[0]


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


def setup(app):
    app.add_directive("flags", Flags)
    app.add_directive("config", Fields)
    return {"parallel_read_safe": True}

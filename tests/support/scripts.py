"""Scripts of docs and benchmarks, tried in a copy of what they read and write, so that no committed file
changes."""

import importlib.util
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copied(folder, *names):
    """Copy files and folders of this checkout to the same places below `folder`, which is returned."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    return folder


def load(path):
    """The module of a script, which finds the modules beside it; they are not left for other scripts."""
    name, before = f"script_{path.parent.name}_{path.stem}", set(sys.modules)
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # where dataclasses look
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
        for new in sys.modules.keys() - before:
            if Path(getattr(sys.modules[new], "__file__", None) or ROOT).parent == path.parent:
                del sys.modules[new]
    return module


def run(path, monkeypatch, *flags):
    """Do what `python path flags` does, and return the script's module."""
    monkeypatch.setattr(sys, "argv", [str(path), *flags])
    module = load(path)
    module.main()
    return module

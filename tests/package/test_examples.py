"""The examples in the package's docstrings run, and give what they show."""

import doctest
import importlib

import house
import pytest

MODULES = sorted(name for name, path in house.modules().items() if ">>>" in path.read_text())


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for those that write a file
    module = importlib.import_module(name if name.startswith("apps.") else f"keras_lottery.{name}")
    results = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert not results.failed

"""The jobs with their options by name, as flags give them."""

import dataclasses

from keras_lottery.config import DataConfig, Machine, Net, Recipe, Run, SearchConfig
from keras_lottery.experiments import jobs
from keras_lottery.experiments.configs import Control, TransferConfig
from keras_lottery.experiments.question import Study
from keras_lottery.tflite.config import ExportConfig


def find(compare_at=(), corrupted=False, **options):
    given = configs(options, SearchConfig, Net, DataConfig, Recipe, Machine, Run)
    return jobs.find(*given, compare_at=compare_at, corrupted=corrupted)


def transfer(**options):
    return jobs.transfer(*configs(options, TransferConfig, DataConfig, Recipe, Machine, Run))


def train_control(**options):
    return jobs.train_control(*configs(options, Control, DataConfig, Recipe, Machine, Run))


def study(**options):
    """A Study; `data` and `recipe` are dicts."""
    parts = {"search": SearchConfig, "net": Net, "recipe": Recipe, "machine": Machine}
    own = {field.name for field in dataclasses.fields(Study)} - {*parts, "data"}
    told = {name: options.pop(name) for name in list(options) if name in own}
    data = DataConfig(**options.pop("data", {}))
    made = configs(options, *parts.values())
    return Study(**told, data=data, **dict(zip(parts, made)))


def configs(options, *kinds):
    """The configs of these kinds; `dataset` and `recipe` may be dicts of more options."""
    given = dict(options)
    data, recipe = given.pop("dataset", {}), given.pop("recipe", {})
    given |= {"dataset" if name == "name" else name: value for name, value in {**data, **recipe}.items()}
    unknown = set(given) - {field.name for kind in kinds for field in dataclasses.fields(kind)}
    if unknown:
        raise TypeError(f"no option is called {sorted(unknown)}")
    return [kind.of(given) for kind in kinds]


def export(dataset=None, **options):
    return jobs.export(*configs(options, ExportConfig), dataset)

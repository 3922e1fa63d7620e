"""What a run is told: the options of searches, nets, data, recipes and machines, each written once.

Commands make their flags of these fields, functions take the configs, and run folders, results and reports
read them.
"""

from ..core.options import options
from .data import DataConfig, dataset_name, label
from .search import ROUNDS, Net, Run, SearchConfig, seed_option
from .training import BACKENDS, PRECISIONS, Machine, Machines, Recipe

__all__ = [
    "BACKENDS",
    "PRECISIONS",
    "ROUNDS",
    "DataConfig",
    "Machine",
    "Machines",
    "Net",
    "Recipe",
    "Run",
    "SearchConfig",
    "dataset_name",
    "label",
    "options",
    "seed_option",
]

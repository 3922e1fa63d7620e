"""A study as tasks: which searches and which trainings there are, each with its own name."""

import dataclasses

from ...core.jsonable import digest, plain
from ...core.schedule import rule, search_rounds
from ...models.saved import of_file
from ...training import older
from .. import controls
from ..configs import Control


@dataclasses.dataclass(frozen=True)
class Task:
    """One run: a search ("find") or the training of one control ("train_control").

    Attributes:
      kind: the function of `jobs` that does it.
      arguments: what it is called with, but the run; ticket folders by their place in `runs`.
      identity: what the result depends on; its hash names the folder.
      needs: names of the tasks that must be done before.
      about: what a row of a table says of it.
      steps: what it costs, in optimizer steps; one on held-out images counts as a third.
    """

    kind: str
    arguments: dict
    identity: dict
    needs: tuple
    about: dict
    steps: float

    @property
    def name(self):
        return digest(plain(older.identity(self.identity)))

    @property
    def label(self):
        """A line for people."""
        about = self.about
        what = f"search, rewind {about['rewind']}" if self.kind == "find" else about["control"]
        at = f" at {about['sparsity']:.0%}" if about.get("sparsity") else ""
        return f"{what}{at} on {about['dataset']}, seed {about['seed']}"


@dataclasses.dataclass(frozen=True)
class Size:
    """Batches of a data set's parts, `test` with its corrupted images, and what a model must take and
    give."""

    train: int
    validation: int
    test: int
    input_shape: tuple
    num_classes: int

    def steps(self, epochs):
        """What a training costs, as `Task.steps` counts."""
        return epochs * (self.train + self.validation / 3) + self.test / 3


def plan(study, sizes):
    """The tasks of a study, those first that others need.

    Args:
      study: a Study.
      sizes: {data set: Size}.
    """
    rounds = study.planned
    tasks = []
    for seed in range(study.seeds):
        searches = {
            rewind: _search(study, rewind, seed, _cost(study, rewind, rounds, sizes[study.source_name]))
            for rewind in study.rewinds
        }
        tasks += searches.values()
        first = searches[study.rewinds[0]]
        for dataset in study.datasets:
            on, size = study.on(dataset), sizes[dataset]
            tasks += [
                _control(study, control, first, None, dataset, size)
                for control in controls.DENSE
                if study.wants(control, None, on)
                and (on == "target" or control in ("dense-longer", "dense-rewound"))
            ]
            for sparsity in study.sparsities:
                number = rounds.index(sparsity) + 1
                if on == "target":
                    tasks += [
                        _control(study, "ticket", search, (sparsity, number), dataset, size)
                        for search in searches.values()
                    ]
                tasks += [
                    _control(study, control, first, (sparsity, number), dataset, size)
                    for control in controls.CONTROLS
                    if control not in (*controls.DENSE, "ticket") and study.wants(control, sparsity, on)
                ]
    return sorted(tasks, key=lambda task: task.kind != "find")


def _cost(study, rewind, rounds, size):
    """What a search costs, as `Task.steps` counts, by the steps that its rounds train."""
    epochs = study.search.epochs
    whole_training = epochs * size.train
    trained = sum(
        round.steps for round in search_rounds(rounds, rewind, whole_training, study.search.rewind_once)
    )
    return (len(rounds) + 1) * (size.steps(epochs) - whole_training) + trained


def _search(study, rewind, seed, steps):
    search, data = study.searched(rewind, seed), study.datasets[study.source_name]
    identity = {
        "kind": "find",
        "dataset": _movable(data),
        "model": study.net.model,
        "width": study.net.width,
        "epochs": search.epochs,
        "rate": search.most_pruned,
        "final_sparsity": list(study.sparsities),
        "scope": study.scope,
        "rewind": rewind,
        "seed": seed,
        **_shared(study, study.recipe),
        **search.unusual(),
        **study.net.unusual(),
        **rule(rewind),
        **of_file(study.net.model),
    }
    arguments = {
        "search": search,
        "net": study.net,
        "data": data,
        "recipe": study.recipe,
        "machine": study.machine,
        "corrupted": True,
    }
    about = {"rewind": rewind, "dataset": study.source_name, "seed": seed}
    return Task("find", arguments, identity, (), about, steps)


def _control(study, control, search, at, dataset, size):
    """One control's training; `at` is (sparsity, round), None for a dense one."""
    sparsity, number = at or (0.0, 0)
    on, seed = study.on(dataset), search.about["seed"]
    epochs = study.epochs_on(dataset, size.train)
    steps = size.steps(epochs)
    if control == "dense-longer":
        epochs, steps = 2 * epochs, 2 * steps
    if control == "dense-cyclic":
        steps *= number + 1
    data, recipe = study.datasets[dataset], study.target_recipe if on == "target" else study.recipe
    of = _depends_on(study, control, search, number)
    patience = study.search.patience if on == "source" else None
    identity = {
        "kind": "train_control",
        "control": control,
        "on": on,
        "sparsity": sparsity,
        "dataset": _movable(data),
        "epochs": epochs,
        "seed": seed,
        **_shared(study, recipe),
        **of,
        **({"patience": patience} if patience else {}),
    }
    arguments = {
        "control": Control(
            control,
            ticket=f"{search.name}/round_{number:02d}" if "search" in of else None,
            dense=f"{search.name}/round_00",
            on=on,
            sparsity=sparsity,
            epochs=epochs,
            seed=seed,
            patience=patience,
        ),
        "data": data,
        "recipe": recipe,
        "machine": study.machine,
    }
    about = {
        "control": control,
        "rewind": search.about["rewind"],
        "sparsity": sparsity,
        "dataset": dataset,
        "seed": seed,
    }
    return Task("train_control", arguments, identity, (search.name,), about, steps)


def _depends_on(study, control, search, number):
    """What the result of a control depends on beside its own training: of its search, or of the net alone."""
    net = {
        "model": study.net.model,
        "width": study.net.width,
        **study.net.unusual(),
        **of_file(study.net.model),
    }
    if control in ("dense-scratch", "dense-longer", *controls.ON_TARGET):
        return {**net, "scope": study.scope} if number else net
    if control == "dense-transferred":
        return {
            **net,
            "source": study.source_name,
            "source_epochs": study.search.epochs,
            "source_recipe": study.recipe.told(),
        }
    return {"search": search.name, "round": number}


def _shared(study, recipe):
    """What each task's result depends on, in the words of its folder's name."""
    machine = study.machine
    return {
        "recipe": recipe.told(),
        "precision": machine.precision,
        "strategy": machine.strategy,
        "backend": machine.backend,
    }


def _movable(data):
    """The arguments of a data set without where it is."""
    return {key: value for key, value in data.arguments().items() if key != "data_dir"}

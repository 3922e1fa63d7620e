"""A study as tasks: which searches and which trainings there are, each with its own name."""

import dataclasses

from ...core.jsonable import digest, plain
from ...core.schedule import round_sparsities, rule, search_rounds
from ...models.saved import of_file
from ...training import older
from .. import controls


@dataclasses.dataclass(frozen=True)
class Task:
    """One run: a search ("find") or the training of one control ("train_control").

    Attributes:
      kind: the function of `jobs` that does it.
      arguments: what it is called with, but run_dir; ticket folders by their place in `runs`.
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
    """Batches of a data set's parts, `test` with its corrupted images, and what a model must take and give."""

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
    rounds = round_sparsities(rate=study.rate, final_sparsity=study.sparsities)
    tasks = []
    for seed in range(study.seeds):
        searches = {
            rewind: _search(study, rewind, seed, _cost(study, rewind, rounds, sizes[study.source_name]))
            for rewind in study.rewinds
        }
        tasks += searches.values()
        first = searches[study.rewinds[0]]
        for dataset in study.datasets:
            on = "source" if dataset == study.source_name else "target"
            epochs = study.epochs_on(dataset, sizes[dataset].train)
            budget = on, dataset, epochs, seed, sizes[dataset].steps(epochs)
            tasks += [
                _control(study, control, first, None, *budget)
                for control in controls.DENSE
                if study.wants(control, None, on)
                and (on == "target" or control in ("dense-longer", "dense-rewound"))
            ]
            for sparsity in study.sparsities:
                number = rounds.index(sparsity) + 1
                if on == "target":
                    tasks += [
                        _control(study, "ticket", search, (sparsity, number), *budget)
                        for search in searches.values()
                    ]
                tasks += [
                    _control(study, control, first, (sparsity, number), *budget)
                    for control in controls.CONTROLS
                    if control not in (*controls.DENSE, "ticket") and study.wants(control, sparsity, on)
                ]
    return sorted(tasks, key=lambda task: task.kind != "find")


def _cost(study, rewind, rounds, size):
    """What a search costs, as `Task.steps` counts, by the steps that its rounds train."""
    whole_training = study.epochs * size.train
    trained = sum(round.steps for round in search_rounds(rounds, rewind, whole_training))
    return (len(rounds) + 1) * size.steps(study.epochs) - (len(rounds) + 1) * whole_training + trained


def _search(study, rewind, seed, steps):
    arguments = {
        "dataset": study.datasets[study.source_name],
        "model": study.model,
        "width": study.width,
        "epochs": study.epochs,
        "rate": study.rate,
        "final_sparsity": list(study.sparsities),
        "scope": study.scope,
        "rewind": rewind,
        "seed": seed,
        **_shared(study),
    }
    identity = {"kind": "find", **_movable(arguments), **rule(rewind), **of_file(study.model)}
    return Task(
        "find",
        {**arguments, "corrupted": True},
        identity,
        (),
        {"rewind": rewind, "dataset": study.source_name, "seed": seed},
        steps,
    )


def _control(study, control, search, at, on, dataset, epochs, seed, steps):
    """One control's training; `at` is (sparsity, round), None for a dense one."""
    sparsity, number = at or (0.0, 0)
    if control == "dense-longer":
        epochs, steps = 2 * epochs, 2 * steps
    if control == "dense-cyclic":
        steps *= number + 1
    own = {
        "control": control,
        "on": on,
        "sparsity": sparsity,
        "dataset": study.datasets[dataset],
        "epochs": epochs,
        "seed": seed,
        **_shared(study),
    }
    if on == "target":
        own["recipe"] = study.target_recipe
    net = {"model": study.model, "width": study.width, **of_file(study.model)}
    if control in ("dense-scratch", "dense-longer", *controls.ON_TARGET):
        of = {**net, "scope": study.scope} if number else net
    elif control == "dense-transferred":
        of = {
            **net,
            "source": study.source_name,
            "source_epochs": study.epochs,
            "source_recipe": study.recipe,
        }
    else:
        of = {"search": search.name, "round": number}
    ticket = f"{search.name}/round_{number:02d}" if "search" in of else None
    arguments = {**own, "ticket": ticket, "dense": f"{search.name}/round_00"}
    about = {
        "control": control,
        "rewind": search.about["rewind"],
        "sparsity": sparsity,
        "dataset": dataset,
        "seed": seed,
    }
    return Task(
        "train_control",
        arguments,
        {"kind": "train_control", **_movable(own), **of},
        (search.name,),
        about,
        steps,
    )


def _shared(study):
    return {name: getattr(study, name) for name in ("recipe", "precision", "strategy", "backend")}


def _movable(arguments):
    """The arguments without where data are."""
    return {
        **arguments,
        "dataset": {key: value for key, value in arguments["dataset"].items() if key != "data_dir"},
    }

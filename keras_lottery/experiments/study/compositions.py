"""What the tickets of a study are made of: the counts of each tensor, and how much seeds agree."""

import dataclasses

from ...core.masking import sparsity
from ...tickets import anatomy
from ...tickets.ticket import load_ticket
from ...training import run_folder
from ..report import label
from . import workers


def tickets(study, tasks, folder):
    """One record a search that is done and a sparsity of the study, ready for JSON lines.

    `layers` holds an entry a pruned tensor, `overlaps` one for each later seed: the share
    of kept weights that both keep, and what chance gives.
    """
    rounds = study.planned
    found = {}
    for task in tasks:
        if task.kind == "find" and workers.is_done(folder, task.name):
            for at in study.sparsities:
                place = run_folder.round_folder(workers.task_folder(folder, task.name), rounds.index(at) + 1)
                if place.is_dir():  # a search that came to nothing has no more
                    found.setdefault((task.about["rewind"], at), {})[task.about["seed"]] = load_ticket(
                        place
                    ).masks
    return [
        _record(study, rewind, seed, masks, seeds)
        for (rewind, _), seeds in found.items()
        for seed, masks in seeds.items()
    ]


def _record(study, rewind, seed, masks, seeds):
    return {
        "model": label(study.net.model, study.net.width),
        "source": study.source_name,
        "rewind": rewind,
        "seed": seed,
        "sparsity": round(sparsity(masks), 4),
        "layers": [dataclasses.asdict(layer) for layer in anatomy.layers(masks)],
        "overlaps": [
            {"seed": other, **dataclasses.asdict(anatomy.overlap(masks, theirs)[0])}
            for other, theirs in seeds.items()
            if other > seed
        ],
    }

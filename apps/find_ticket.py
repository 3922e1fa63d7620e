"""Find a winning ticket: train, prune, rewind, round after round.

Example:
  lottery-find --dataset=fashion_mnist --model=lenet --optimizer=adam --learning_rate=0.0012 \\
    --rounds=10 --epochs=5 --rewind=200 --run_dir=runs/lenet
"""

import dataclasses

from absl import flags

from keras_lottery.config import DataConfig, Machines, Recipe, Run, SearchConfig
from keras_lottery.experiments.configs import OwnNet

from . import flags as shared
from . import following

AUTO = "auto"  # of --rewind
FLAGS = flags.FlagValues()
shared.define(FLAGS, DataConfig)
shared.define(FLAGS, OwnNet)
shared.define(FLAGS, SearchConfig, scope="global")
FLAGS[
    "rewind"
].help += "; or auto: the earliest step whose ticket is stable to data order, found by several searches"
flags.DEFINE_bool(
    "fast",
    False,
    "find a ticket at the cost of three dense trainings: stands for --rate=0.32 --budget=3x --rewind_once "
    "--final_sparsity=0.9, unless you give others; the rate is higher where the epochs are too few for so "
    "many rounds",
    FLAGS,
)
flags.DEFINE_list(
    "compare_at",
    [],
    "sparsities at which a random mask is trained as well, such as 0.9,0.95; with "
    "--rewind=lr or finetune also a dense net that is trained as often as the ticket",
    flag_values=FLAGS,
)
shared.define(FLAGS, Recipe)
shared.define(FLAGS, Machines)
shared.define(FLAGS, Run, run_dir="runs/find")


def main():
    from keras_lottery.experiments import autorewind, jobs, report

    search = searched()
    given = [shared.read(FLAGS, config) for config in (OwnNet, DataConfig, Recipe, Machines, Run)]
    if FLAGS.rewind == AUTO:
        result = autorewind.find(search, *given, compare_at=FLAGS.compare_at)
        print(f"rewound to step {result['rewind']}; {autorewind.describe(result['probes'])}")
    else:
        result = jobs.find(search, *given, compare_at=FLAGS.compare_at)
    report.show(result)
    last = max(row["sparsity"] for row in result["rows"])
    print(f"the run is in {FLAGS.run_dir}, its last ticket ({last:.1%} sparse) in {result['ticket']}; next:")
    for line in following.after_search(result["ticket"], FLAGS):
        print(f"  {line}")


def searched():
    """The search that the flags say; its rewind point is to be found where they say so."""
    from keras_lottery.experiments.fast import fast

    rewind = {"rewind": SearchConfig.rewind} if FLAGS.rewind == AUTO else {}
    search = shared.read(FLAGS, SearchConfig, **rewind)
    if not FLAGS.fast:
        return search
    quick = fast(search, [name for name in FLAGS if FLAGS[name].present])
    chosen = {
        field.name: getattr(quick, field.name)
        for field in dataclasses.fields(quick)
        if getattr(quick, field.name) != getattr(search, field.name)
    }
    print("fast: " + " ".join(f"--{name}={value}" for name, value in chosen.items()))
    return quick


def run():
    shared.run_command("lottery-find", main, FLAGS)


if __name__ == "__main__":
    run()

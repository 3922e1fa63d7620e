"""Tune a ticket search: Bayesian optimization over rate, rewind point, learning rate and epochs a round.

Example:
  lottery-tune --dataset=fashion_mnist --model=lenet --optimizer=adam --learning_rate=0.0012 \\
    --final_sparsity=0.9 --trials=10 --run_dir=runs/tune
"""

import shlex

from absl import flags

from keras_lottery.config import DataConfig, Machine, Recipe, Run, SearchConfig
from keras_lottery.experiments.configs import OwnNet, TuneConfig

from . import find_ticket
from . import flags as shared

CONFIGS = (TuneConfig, SearchConfig, OwnNet, DataConfig, Recipe, Machine, Run)
DRAWN = ("rate", "rewind")  # beside the learning rate and the epochs, whose flags say around which value
FLAGS = flags.FlagValues()
for config in CONFIGS:
    shared.define(
        FLAGS,
        config,
        leave=(*DRAWN, "rounds"),
        final_sparsity=0.9,
        scope="global",
        epochs=6,
        run_dir="runs/tune",
    )


def main():
    from keras_lottery.experiments import tune

    result = tune.tune(*(shared.read(FLAGS, config) for config in CONFIGS))
    tune.show(result)
    if len(result["rows"]) < FLAGS.trials:
        print(f"only {len(result['rows'])} trials: no other settings were found in these ranges")
    if result["rows"][0]["sparsity"] is None:
        print("every trial diverged: give lower rates, --learning_rate_range=LOW,HIGH, and another --run_dir")
        return
    print(
        f"the run is in {FLAGS.run_dir}; the best trial with its test accuracy, or a new run of its "
        "settings with another --run_dir:"
    )
    print(f"  {find_line(result['recipe'], result['rows'][0])}")


def find_line(recipe, row):
    """The lottery-find command of a trial, one of those that share a recipe."""
    words = {name: f"--{name}={FLAGS[name].value}" for name in ("dataset", "model", "final_sparsity")}
    words |= {name: f"--{name}={value}" for name, value in recipe.items()}
    words |= {name: f"--{name}={row[name]}" for name in (*DRAWN, "learning_rate", "epochs")}
    for name in sorted(set(FLAGS) & set(find_ticket.FLAGS) - {*words, "overwrite", "run_dir"}):
        if FLAGS[name].value != find_ticket.FLAGS[name].default:
            words[name] = FLAGS[name].serialize()
    return shlex.join(["lottery-find", *words.values(), f"--run_dir={row['run_dir']}"])


def run():
    shared.run_command("lottery-tune", main, FLAGS)


if __name__ == "__main__":
    run()

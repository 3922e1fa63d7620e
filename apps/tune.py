"""Tune a ticket search: random search over rate, rewind point, learning rate and epochs a round.

Example:
  lottery-tune --dataset=fashion_mnist --model=lenet --optimizer=adam --learning_rate=0.0012 \\
    --final_sparsity=0.9 --trials=10 --run_dir=runs/tune

Several processes share the trials if each runs this command with KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT
set, and KERASTUNER_TUNER_ID: chief in one, tuner0, tuner1, ... in the others. A killed one is started again.
"""

import shlex

from absl import flags

from . import find_ticket
from . import flags as shared

FLAGS = flags.FlagValues()
shared.define_data(FLAGS)
shared.define_model(FLAGS)
flags.DEFINE_float("final_sparsity", 0.9, "share of zeros at which tickets are compared", flag_values=FLAGS)
flags.DEFINE_string(
    "scope", "global", "global: one threshold over all weights; layer: one in each layer", FLAGS
)
flags.DEFINE_integer("trials", 10, "settings to try; more can be added to a finished run", flag_values=FLAGS)
flags.DEFINE_list("rates", ["0.2", "0.36", "0.5"], "rates to choose from", flag_values=FLAGS)
flags.DEFINE_list(
    "rewinds",
    None,
    "rewind points to choose from, such as init,100,500 (default: init and the steps at 5% "
    "and 20% of the shortest training)",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "learning_rate_range",
    None,
    "lowest and highest, such as 0.01,0.1 (default: a third of --learning_rate to three times it)",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "epochs_range",
    None,
    "fewest and most epochs of each round, such as 2,6 (default: half of --epochs to --epochs)",
    flag_values=FLAGS,
)
shared.define_training(FLAGS, 6, "most epochs of each round, where --epochs_range does not say")
shared.define_run(FLAGS, "runs/tune")


def main():
    from keras_lottery.experiments import tune

    own = {
        name: FLAGS[name].value
        for name in (
            "model",
            "width",
            "final_sparsity",
            "scope",
            "trials",
            "rates",
            "rewinds",
            "learning_rate_range",
            "epochs_range",
        )
    }
    result = tune.tune(dataset=shared.data_arguments(FLAGS), **own, **shared.training_arguments(FLAGS))
    if result is None:
        print("no trials are left; the chief prints the table")
        return
    tune.show(result)
    if len(result["rows"]) < FLAGS.trials:
        print(f"{len(result['rows'])} trials are all: random draws from these ranges give no others")
    if result["rows"][0]["sparsity"] is None:
        print("every trial diverged: give lower rates, --learning_rate_range=LOW,HIGH, and another --run_dir")
        return
    print(
        f"the run is in {FLAGS.run_dir}; the best trial with its test accuracy, or a new run of its settings with another "
        "--run_dir:"
    )
    print(f"  {find_line(result['rows'][0])}")


def find_line(row):
    """The lottery-find command of a trial."""
    words = {name: f"--{name}={FLAGS[name].value}" for name in ("dataset", "model", "final_sparsity")}
    words |= {name: f"--{name}={row[name]}" for name in ("rate", "rewind", "learning_rate", "epochs")}
    for name in sorted(set(FLAGS) & set(find_ticket.FLAGS) - {*words, "overwrite", "run_dir"}):
        if FLAGS[name].value != find_ticket.FLAGS[name].default:
            words[name] = FLAGS[name].serialize()
    return shlex.join(["lottery-find", *words.values(), f"--run_dir={row['run_dir']}"])


def run():
    shared.run_command("lottery-tune", main, FLAGS)


if __name__ == "__main__":
    run()

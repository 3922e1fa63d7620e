"""Fine-tune a ticket on another data set, beside controls with the same budget.

Example:
  lottery-transfer --ticket=saved_models/NAME --dataset=digits --epochs=20 --run_dir=runs/student

Optimizer, learning rate and schedule are those that the ticket was found with, if it records
them and no flag gives another.
"""

from absl import flags

from keras_lottery.config import DataConfig, Machines, Recipe, Run
from keras_lottery.experiments.configs import TransferConfig

from . import flags as shared
from . import following

CONFIGS = (TransferConfig, DataConfig, Recipe, Machines, Run)
FLAGS = flags.FlagValues()
for config in CONFIGS:
    shared.define(FLAGS, config, run_dir="runs/transfer")


def main():
    from keras_lottery.experiments import jobs, report

    result = jobs.transfer(*(shared.read(FLAGS, config) for config in CONFIGS))
    report.show(result)
    print(f"the run is in {FLAGS.run_dir}, the trained student in {result['student']}; next:")
    print(f"  {following.export(result['student'], FLAGS)}")


def run():
    shared.run_command("lottery-transfer", main, FLAGS)


if __name__ == "__main__":
    run()

"""A study: find tickets on a source, carry them and their controls to targets, over seeds; one table, plots,
one page.

Finished runs are not repeated: the same command continues where it was stopped, and with more
seeds, targets or controls it runs only what is new. A study file lists these flags, one per
line: lottery-study --flagfile=FILE.

Example:
  lottery-study --source=cifar10 --targets=fashion_mnist,mnist --model=resnet8 --width=2 \\
    --sparsities=0.9,0.95 --epochs=8 --target_steps=1500 --rewinds=200 --jobs=2 --run_dir=runs/study --dry_run
"""

from absl import flags

from keras_lottery.config import DataConfig, Machine, Net, Recipe, SearchConfig
from keras_lottery.experiments.question import Study, StudyRun

from . import flags as shared

PARTS = {"search": SearchConfig, "net": Net, "data": DataConfig, "recipe": Recipe, "machine": Machine}
ITS_OWN = ("rounds", "final_sparsity", "rewind", "seed", "dataset")  # which a study's own options say
FLAGS = flags.FlagValues()
shared.define(FLAGS, Study)
for config in PARTS.values():
    shared.define(FLAGS, config, leave=ITS_OWN, scope="global")
shared.define(FLAGS, StudyRun)


def main():
    from keras_lottery.experiments import report
    from keras_lottery.experiments import study as studies

    how = shared.read(FLAGS, StudyRun)
    study, sizes, tasks = studies.prepare(given(), how.run_dir)
    if how.dry_run:
        return studies.show(tasks, studies.estimate(study, sizes, tasks, how.run_dir, how.jobs), how.jobs)
    rows = studies.run(
        study,
        tasks,
        how.run_dir,
        output=how.output,
        jobs=how.jobs,
        ray_address=how.ray_address,
        tensorboard=how.tensorboard,
    )
    report.show_table(report.tables(rows)[0])
    output = how.output or how.run_dir
    print(f"tables are in {output}/tables.md, all of it in {output}/page.html; next:")
    print(f"  lottery-report --rows={output}/rows.jsonl --output=...")


def given():
    """The Study that the flags say."""
    return shared.read(FLAGS, Study, **{name: shared.read(FLAGS, config) for name, config in PARTS.items()})


def run():
    shared.run_command("lottery-study", main, FLAGS)


if __name__ == "__main__":
    run()

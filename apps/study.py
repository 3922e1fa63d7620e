"""A study: find tickets on a source, carry them and their controls to targets, over seeds; one table, plots, one page.

What is done is not done again: the same command goes on where it was stopped, and with more seeds, targets or controls it
runs only those. A study file is a list of these flags, one a line: lottery-study --flagfile=FILE.

Example:
  lottery-study --source=cifar10 --targets=fashion_mnist,mnist --model=resnet8 --width=2 --sparsities=0.9,0.95 \\
    --epochs=8 --target_steps=1500 --rewinds=200 --jobs=2 --run_dir=runs/study --dry_run
"""

import dataclasses

from absl import flags

from . import flags as shared

FLAGS = flags.FlagValues()
flags.DEFINE_string("source", "digits", "data set that tickets are found on", FLAGS)
flags.DEFINE_list("targets", [], "data sets that they are carried to", flag_values=FLAGS)
flags.DEFINE_list(
    "source_classes",
    None,
    "labels or names of the classes of the source to keep (default: those of --classes)",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "target_classes",
    None,
    "classes to keep of each target, for example 5,6,7,8,9 where the source keeps 0,1,2,3,4",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "target_train_split",
    None,
    "split or slice of the targets to train on (default: that of the source)",
    FLAGS,
)
shared.define_data_options(FLAGS)
shared.define_model(FLAGS)
flags.DEFINE_list(
    "sparsities",
    ["0.8", "0.9", "0.95"],
    "shares of zeros, each reached exactly by a round",
    flag_values=FLAGS,
)
flags.DEFINE_float("rate", 0.2, "the most that a round prunes of the surviving weights", flag_values=FLAGS)
flags.DEFINE_string(
    "scope", "global", "global: one threshold over all weights; layer: one in each layer", FLAGS
)
flags.DEFINE_list(
    "rewinds",
    ["init"],
    "rewind points: init, steps, trained, lr or finetune. Controls belong to the first",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "controls",
    ["random", "dense-scratch", "dense-transferred"],
    "also: random-rescaled, random-erk, trained, late-reset, reinit, shuffled, one-shot, snip, grasp, gradual, dense-rewound, dense-longer; with "
    "--rewinds=lr or finetune dense-cyclic; random@0.9 is for that sparsity alone",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "source_controls", None, "controls on the source (default: those of --controls)", flag_values=FLAGS
)
flags.DEFINE_integer("seeds", 3, "how many seeds: 0, 1, ...", flag_values=FLAGS)
shared.define_recipe(FLAGS, 5, "epochs of each training on the source")
flags.DEFINE_integer(
    "target_steps",
    None,
    "optimizer steps on a target, to the nearest epoch (default 1500)",
    flag_values=FLAGS,
)
flags.DEFINE_integer("target_epochs", None, "epochs on a target instead", flag_values=FLAGS)
flags.DEFINE(
    shared.Numbers(),
    "target_learning_rate",
    None,
    "learning rate on targets (default: that on the source)",
    FLAGS,
)
flags.DEFINE_float(
    "target_weight_decay", None, "weight decay on targets (default: that on the source)", flag_values=FLAGS
)
flags.DEFINE_integer("jobs", 1, "processes, among which the cores are shared out", flag_values=FLAGS)
flags.DEFINE_string(
    "ray_address",
    None,
    "run on this Ray cluster instead; run_dir must be on a file system its nodes share",
    FLAGS,
)
flags.DEFINE_bool("dry_run", False, "say what would be run and how long it would take", FLAGS)
flags.DEFINE_bool(
    "tensorboard", False, "write scalars and HParams for TensorBoard to run_dir/tensorboard as well", FLAGS
)
flags.DEFINE_string(
    "run_dir", "runs/study", "folder of the study's runs; several studies can share it", FLAGS
)
flags.DEFINE_string("output", None, "folder for rows, tables, plots and page (default: run_dir)", FLAGS)


def main():
    from keras_lottery.core.checks import whole
    from keras_lottery.experiments import study as studies

    jobs = whole("jobs", FLAGS.jobs, most=1000)
    study, sizes, tasks = studies.prepare(given(), FLAGS.run_dir)
    if FLAGS.dry_run:
        return studies.show(tasks, studies.estimate(study, sizes, tasks, FLAGS.run_dir, jobs), jobs)
    studies.run(
        study,
        tasks,
        FLAGS.run_dir,
        output=FLAGS.output,
        jobs=jobs,
        ray_address=FLAGS.ray_address,
        tensorboard=FLAGS.tensorboard,
    )
    output = FLAGS.output or FLAGS.run_dir
    print(f"tables are in {output}/tables.md, all of it in {output}/page.html; next:")
    print(f"  lottery-report --rows={output}/rows.jsonl --output=...")


def given():
    """The Study that the flags say."""
    from keras_lottery.experiments.study import Study

    values = {field.name: _value(field.name) for field in dataclasses.fields(Study)}
    if FLAGS.target_steps is None and FLAGS.target_epochs is None:
        values["target_steps"] = 1500
    return Study(**values)


def _value(name):
    if name == "data":
        return shared.data_options(FLAGS)
    if name == "recipe":
        return shared.recipe(FLAGS)
    return FLAGS[name].value


def run():
    shared.run_command("lottery-study", main, FLAGS)


if __name__ == "__main__":
    run()

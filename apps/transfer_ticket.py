"""Fine-tune a ticket on another data set, beside controls with the same budget.

Example:
  lottery-transfer --ticket=saved_models/NAME --dataset=digits --epochs=20 --run_dir=runs/student
"""

from absl import flags

from . import flags as shared

FLAGS = flags.FlagValues()
flags.DEFINE_string("ticket", None, "ticket folder, such as saved_models/NAME or RUN_DIR/round_09", FLAGS)
shared.define_data(
    FLAGS, "the target: a TFDS name, a folder with one sub-folder of images a class, or digits"
)
flags.DEFINE_string(
    "start", "rewind", "the ticket's weights under its mask: rewind, trained or random", FLAGS
)
flags.DEFINE_list(
    "controls",
    [],
    "also train: random, dense-scratch, dense-transferred, trained, late-reset, reinit, shuffled, one-shot, snip, grasp, gradual, dense-rewound, dense-longer",
    flag_values=FLAGS,
)
flags.DEFINE_bool("freeze_backbone", False, "train the new head alone (tickets do badly at that)", FLAGS)
shared.define_training(FLAGS, 10, "epochs of training; the one with the best validation accuracy is kept")
shared.define_machines(FLAGS)
shared.define_run(FLAGS, "runs/transfer")


def main():
    from keras_lottery.experiments import jobs, report

    own = {name: FLAGS[name].value for name in ("ticket", "start", "controls", "freeze_backbone")}
    result = jobs.transfer(dataset=shared.data_arguments(FLAGS), **own, **shared.training_arguments(FLAGS))
    report.show(result)
    print(f"the run is in {FLAGS.run_dir}, the trained student in {result['student']}; next:")
    print(f"  lottery-export --ticket={result['student']} --output={FLAGS.run_dir}/student.tflite")


def run():
    shared.run_command("lottery-transfer", main, FLAGS)


if __name__ == "__main__":
    run()

"""Fine-tune a ticket on another data set, beside controls with the same budget.

Example:
  lottery-transfer --ticket=saved_models/NAME --dataset=digits --epochs=20 --run_dir=runs/student
"""

from absl import flags

from apps import flags as shared
from apps.flags import FLAGS, data_arguments, define_data, define_training, recipe, run_command

define_data("the target: a TFDS name, a folder with one sub-folder of images a class, or digits")
define_training(10, "epochs of training; the one with the best validation accuracy is kept")
flags.DEFINE_string("ticket", None, "ticket folder, such as saved_models/NAME or RUN_DIR/round_09")
flags.DEFINE_enum("start", "rewind", ["rewind", "trained", "random"], "the ticket's weights under its mask")
flags.DEFINE_list("controls", [], "also train: random, dense-scratch, dense-transferred, trained, reinit")
flags.DEFINE_bool("freeze_backbone", False, "train the new head alone (tickets do badly at that)")
flags.DEFINE_string("run_dir", "runs/transfer", "folder of the run; the same command goes on where it was stopped")
flags.adopt_module_key_flags(shared)


def main():
    from keras_lottery import jobs, report

    result = jobs.transfer(
        ticket=FLAGS.ticket, dataset=data_arguments(), epochs=FLAGS.epochs, start=FLAGS.start,
        controls=FLAGS.controls, freeze_backbone=FLAGS.freeze_backbone, recipe=recipe(), seed=FLAGS.seed,
        precision=FLAGS.precision, strategy=FLAGS.strategy, run_dir=FLAGS.run_dir,
        verbose="auto" if FLAGS.verbose else 0,
    )
    report.show(result)
    print(f"the run is in {FLAGS.run_dir}, the trained student in {result['student']}; next:")
    print(f"  lottery-export --ticket={result['student']} --output={FLAGS.run_dir}/student.tflite")


def run():
    run_command("lottery-transfer", main)


if __name__ == "__main__":
    run()

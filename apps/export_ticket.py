"""Write a ticket's trained weights as a .tflite file for a phone.

Example:
  lottery-export --ticket=runs/student/ticket/student --output=student.tflite --dataset=digits

Without --dataset, a file is accepted only if its outputs agree with the model's to 1e-3. With
--dataset, a smaller file may lose up to --max_loss points on validation images, and the chosen
file is then tested on the test images.
"""

from absl import flags

from keras_lottery.config import DataConfig
from keras_lottery.tflite.config import ExportConfig

from . import flags as shared

CHOOSE_BY = {  # the ticket's, or those of any data, where nobody says others
    "dataset": None,
    "train_split": None,
    "validation": None,
}
FLAGS = flags.FlagValues()
shared.define(FLAGS, ExportConfig)
shared.define(FLAGS, DataConfig, **CHOOSE_BY)
FLAGS[
    "dataset"
].help = "labelled images to choose by, of the ticket's classes and size: a TFDS name, a folder, or digits"


def main():
    from keras_lottery.experiments import jobs

    result = jobs.export(shared.read(FLAGS, ExportConfig), chosen_by() if FLAGS.dataset else None)
    print(
        f"{result['output']} has {result['bytes']:,} bytes; its figures are in {result['output']}.json. "
        "Run it with:"
    )
    print(
        '  python -c "from ai_edge_litert.interpreter import Interpreter; '
        f"print(Interpreter('{result['output']}').get_input_details())\""
    )


def chosen_by():
    """The arguments of `data.load` that the flags say."""
    told = {name: FLAGS[name].value for name in FLAGS if FLAGS[name].value is not None}
    arguments = DataConfig.of(told).arguments()
    return {name: value for name, value in arguments.items() if name in {"name", *told}}


def run():
    shared.run_command("lottery-export", main, FLAGS)


if __name__ == "__main__":
    run()

"""Write a ticket's trained weights as a .tflite file for a phone.

Example:
  lottery-export --ticket=runs/student/ticket/student --output=student.tflite --dataset=digits

Without --dataset a file is taken only if its answers are the model's to 1e-3. With one, a
smaller file that loses at most --max_loss points on validation images is taken too, and tested.
"""

from absl import flags

from . import flags as shared

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "ticket", None, "ticket folder with trained weights, such as RUN_DIR/ticket/student", FLAGS
)
flags.DEFINE_string("start", "trained", "which of the ticket's weights to export: trained or rewind", FLAGS)
flags.DEFINE_string("output", None, "the .tflite file to write", FLAGS)
flags.DEFINE_string("goal", "size", "the best file for what: size, download, latency or accuracy", FLAGS)
flags.DEFINE_list(
    "formats",
    None,
    "number formats to try: float32, float16, int8-weights, int8-dynamic, int8 (default: all)",
    flag_values=FLAGS,
)
flags.DEFINE_float("max_loss", 0.5, "points of accuracy that the file may lose", flag_values=FLAGS)
flags.DEFINE_bool("compact", False, "take dead channels out of the net first", FLAGS)
flags.DEFINE_string(
    "dataset",
    None,
    "images with labels to choose by, in the ticket's classes and size: a TFDS name, a folder, or digits",
    FLAGS,
)
shared.define_data_options(FLAGS)
for name in ("train_split", "validation"):  # the ticket's, or those of any data
    FLAGS.set_default(name, None)
flags.DEFINE_string(
    "variants_dir", None, "folder to keep every variant in that works, for lottery-benchmark", FLAGS
)
flags.DEFINE_bool("overwrite", False, "replace files that are there", FLAGS)


def main():
    from keras_lottery.experiments import jobs

    own = {
        name: FLAGS[name].value
        for name in (
            "ticket",
            "start",
            "output",
            "goal",
            "formats",
            "max_loss",
            "compact",
            "variants_dir",
            "overwrite",
        )
    }
    result = jobs.export(**own, dataset=shared.data_arguments(FLAGS) if FLAGS.dataset else None)
    if "test" in result:
        test = result["test"]
        print(
            f"on {test['examples']:,} test images: the model {100 * test['keras']:.2f}%, the file {100 * test['file']:.2f}%"
        )
    print(
        f"{result['output']} has {result['bytes']:,} bytes; its figures are in {result['output']}.json. Run it with:"
    )
    print(
        f"  python -c \"from ai_edge_litert.interpreter import Interpreter; print(Interpreter('{result['output']}').get_input_details())\""
    )


def run():
    shared.run_command("lottery-export", main, FLAGS)


if __name__ == "__main__":
    run()

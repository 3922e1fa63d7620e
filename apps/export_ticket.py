"""Write a ticket's trained weights as a .tflite file for a phone.

Example:
  lottery-export --ticket=runs/student/ticket/student --output=student.tflite
"""

from absl import flags

from apps import flags as shared

FLAGS = flags.FlagValues()
flags.DEFINE_string("ticket", None, "ticket folder with trained weights, such as RUN_DIR/ticket/student", FLAGS)
flags.DEFINE_string("start", "trained", "which of the ticket's weights to export: trained or rewind", FLAGS)
flags.DEFINE_string("output", None, "the .tflite file to write", FLAGS)
flags.DEFINE_bool("overwrite", False, "replace the file if it is there", FLAGS)


def main():
    from keras_lottery import jobs

    own = {name: FLAGS[name].value for name in ("ticket", "start", "output", "overwrite")}
    result = jobs.export(**own)
    print(f"{result['output']} has {result['bytes']:,} bytes; its figures are in {result['output']}.json. Run it with:")
    print(f"  python -c \"from ai_edge_litert.interpreter import Interpreter; print(Interpreter('{result['output']}').get_input_details())\"")


def run():
    shared.run_command("lottery-export", main, FLAGS)


if __name__ == "__main__":
    run()

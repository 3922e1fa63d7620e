"""Write a ticket's trained weights as a .tflite file for a phone.

Example:
  lottery-export --ticket=runs/student/ticket --output=student.tflite
"""

from absl import flags

from apps import flags as shared
from apps.flags import FLAGS, run_command

flags.DEFINE_string("ticket", None, "ticket folder with trained weights, such as RUN_DIR/ticket")
flags.DEFINE_enum("start", "trained", ["trained", "rewind"], "which of the ticket's weights to export")
flags.DEFINE_string("output", None, "the .tflite file to write")
flags.DEFINE_bool("overwrite", False, "replace the file if it is there")
flags.adopt_module_key_flags(shared)


def main():
    from keras_lottery import jobs

    result = jobs.export(ticket=FLAGS.ticket, start=FLAGS.start, output=FLAGS.output, overwrite=FLAGS.overwrite)
    print(f"{result['output']} has {result['bytes']:,} bytes; its figures are in {result['output']}.json. Run it with:")
    print(f"  python -c \"from ai_edge_litert.interpreter import Interpreter; print(Interpreter('{result['output']}').get_input_details())\"")


def run():
    run_command("lottery-export", main)


if __name__ == "__main__":
    run()

"""Put .tflite files side by side: bytes, load time, latency and outputs, against those of the first.

Example:
  lottery-benchmark dense.tflite sparse.tflite --output=latency.json
  lottery-benchmark dense.tflite sparse.tflite --arm    # instructions on an emulated ARM processor
  lottery-benchmark dense.tflite sparse.tflite --adb    # the commands for a connected phone
"""

from absl import flags

from . import flags as shared

FLAGS = flags.FlagValues()
FLAGS.set_gnu_getopt(True)  # flags may come after the files
flags.DEFINE_list("files", [], "the .tflite files; also given without a flag", flag_values=FLAGS)
flags.DEFINE_integer(
    "threads", 1, "LiteRT's threads, here and in the commands for a phone", flag_values=FLAGS
)
flags.DEFINE_float("seconds", 5.0, "about how long to invoke the files, all together", flag_values=FLAGS)
flags.DEFINE_bool(
    "arm",
    False,
    "also run the files on an emulated ARM processor: outputs, and instructions of an inference. "
    "Linux with apt; fetches about 60 MB the first time",
    FLAGS,
)
flags.DEFINE_string(
    "cpu",
    "cortex-a76",
    "the processor of --arm: cortex-a53, cortex-a72, cortex-a76, neoverse-n1 or max",
    FLAGS,
)
flags.DEFINE_string(
    "arm_root",
    None,
    "folder that keeps what --arm needs (default: keras_lottery/arm in your cache folder)",
    FLAGS,
)
flags.DEFINE_bool(
    "adb",
    False,
    "only print the commands that push the files to a phone and run Google's benchmark_model there",
    FLAGS,
)
flags.DEFINE_string(
    "adb_output",
    None,
    "file with what those commands printed, or - for standard input, to have in the table",
    FLAGS,
)
flags.DEFINE_string("output", None, "the .json file to write", FLAGS)
flags.DEFINE_bool("overwrite", False, "replace the output if it is there", FLAGS)


def main():
    from keras_lottery.tflite.measure import benchmark, phone

    if FLAGS.adb:
        print(phone.commands(FLAGS.files, threads=FLAGS.threads))
        return
    benchmark(**{name: FLAGS[name].value for name in FLAGS if name != "adb"})
    if FLAGS.output:
        print(f"all figures are in {FLAGS.output}")


def run():
    shared.run_command("lottery-benchmark", main, FLAGS)


if __name__ == "__main__":
    run()

"""Put .tflite files side by side: bytes, load time, latency and outputs, against those of the first.

Example:
  lottery-benchmark dense.tflite sparse.tflite --output=latency.json
  lottery-benchmark dense.tflite sparse.tflite --arm    # instructions on an emulated ARM processor
  lottery-benchmark dense.tflite sparse.tflite --adb    # the commands for a connected phone
"""

from absl import flags

from keras_lottery.tflite.config import BenchmarkConfig

from . import flags as shared

FLAGS = flags.FlagValues()
FLAGS.set_gnu_getopt(True)  # flags may come after the files
flags.DEFINE_list("files", [], "the .tflite files; also given without a flag", flag_values=FLAGS)
flags.DEFINE_bool(
    "adb",
    False,
    "only print the commands that push the files to a phone and run Google's benchmark_model there",
    FLAGS,
)
shared.define(FLAGS, BenchmarkConfig)


def main():
    from keras_lottery.tflite.measure import benchmark, phone

    if FLAGS.adb:
        print(phone.commands(FLAGS.files, threads=FLAGS.threads))
        return
    benchmark(FLAGS.files, **shared.read(FLAGS, BenchmarkConfig).entries())
    if FLAGS.output:
        print(f"all figures are in {FLAGS.output}")


def run():
    shared.run_command("lottery-benchmark", main, FLAGS)


if __name__ == "__main__":
    run()

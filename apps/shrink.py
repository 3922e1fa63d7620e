"""Make a model small for a phone: fine-tune it on your photos, prune it as far as it bears, write it as
.tflite.

Example:
  lottery-shrink --model=my_model.keras --dataset=photos --output=my.tflite

photos/ has one sub-folder of photos for each class. The model is a saved .keras or .h5 file of either Keras,
or the name of a network of keras.applications with --weights=imagenet. Its image size, its scaling and
whether its head fits are found out.
"""

import shlex

from absl import flags

from keras_lottery.config import DataConfig, Machine, Recipe, Run
from keras_lottery.experiments.configs import ShrinkConfig

from . import flags as shared

CONFIGS = (ShrinkConfig, DataConfig, Recipe, Machine, Run)
FLAGS = flags.FlagValues()
for config in CONFIGS:
    shared.define(FLAGS, config, dataset=None, run_dir="runs/shrink")


def main():
    from keras_lottery.experiments import shrink

    result = shrink.shrink(*(shared.read(FLAGS, config) for config in CONFIGS))
    shrink.show(result)
    height, width, _ = next(file["input_shape"] for file in result["files"] if file["chosen"])
    print(
        f"{result['output']} takes uint8 photos of {height}x{width} and holds the names of the classes; its "
        f"ticket is {result['ticket']}; next:"
    )
    paths = [file["path"] for file in result["files"]]
    if result["goal"] == "latency":  # which another processor may tell otherwise
        print(f"  {shlex.join(['lottery-benchmark', *paths, '--adb'])}")
    else:
        print(f"  {shlex.join(['lottery-benchmark', paths[0], result['output']])}")


def run():
    shared.run_command("lottery-shrink", main, FLAGS)


if __name__ == "__main__":
    run()

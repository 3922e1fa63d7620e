"""The whole workflow on real images in some minutes: find a ticket on digits 0-4, carry it to 5-9, export it.

Example:
  python -m apps.demo
"""

from absl import flags

from . import flags as shared
from .flags import FLAGS, run_command

flags.DEFINE_string("run_dir", "runs/demo", "folder of the run; it is made anew")
flags.DEFINE_string(
    "backend", "auto", "tf_keras, or tensorflow, jax or torch for Keras 3 on it. auto is the fastest here"
)
flags.adopt_module_key_flags(shared)


def main():
    from keras_lottery.experiments import demo

    demo.run(FLAGS.run_dir, FLAGS.backend)


def run():
    run_command("demo", main)


if __name__ == "__main__":
    run()

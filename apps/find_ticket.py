"""Find a winning ticket: train, prune, rewind, round after round.

Example:
  lottery-find --dataset=fashion_mnist --model=lenet --optimizer=adam --learning_rate=0.0012 \\
    --rounds=10 --epochs=5 --rewind=200 --run_dir=runs/lenet
"""

from absl import flags

from apps import flags as shared
from apps.flags import FLAGS, data_arguments, define_data, define_training, recipe, run_command

define_data()
define_training(5, "epochs of each round")
flags.DEFINE_string("model", "lenet", "a builder's name (lenet, conv2, resnet20, vgg19, ...) or a saved .keras file")
flags.DEFINE_float("width", 1.0, "times as many filters as the literature's net")
flags.DEFINE_integer("rounds", None, "number of prunings (default 10, unless --final_sparsity is given)")
flags.DEFINE_float("rate", None, "share of the surviving weights a round prunes (default 0.2)")
flags.DEFINE_float("final_sparsity", None, "share of zeros after the last round, reached exactly")
flags.DEFINE_enum("scope", "global", ["global", "layer"], "one threshold over all weights, or one in each layer")
flags.DEFINE_string("rewind", "init", "init, a step of the first training, trained (its end) or lr (keep weights)")
flags.DEFINE_list("compare_at", [], "sparsities at which a random mask is trained as well, such as 0.9,0.95")
flags.DEFINE_string("run_dir", "runs/find", "folder of the run; the same command goes on where it was stopped")
flags.adopt_module_key_flags(shared)


def main():
    from keras_lottery import jobs, report

    rounds = FLAGS.rounds or (None if FLAGS.final_sparsity else 10)
    result = jobs.find(
        dataset=data_arguments(), model=FLAGS.model, width=FLAGS.width, epochs=FLAGS.epochs, rounds=rounds,
        rate=FLAGS.rate, final_sparsity=FLAGS.final_sparsity, scope=FLAGS.scope,
        rewind=int(FLAGS.rewind) if FLAGS.rewind.isdigit() else FLAGS.rewind, recipe=recipe(), seed=FLAGS.seed,
        precision=FLAGS.precision, strategy=FLAGS.strategy, run_dir=FLAGS.run_dir,
        compare_at=[float(s) for s in FLAGS.compare_at], verbose="auto" if FLAGS.verbose else 0,
    )
    report.show(result)
    last = max(row["sparsity"] for row in result["rows"])
    print(f"the run is in {FLAGS.run_dir}, its last ticket ({last:.1%} sparse) in {result['ticket']}; next:")
    print(f"  lottery-transfer --ticket={result['ticket']} --dataset=...")


def run():
    run_command("lottery-find", main)


if __name__ == "__main__":
    run()

"""Find a winning ticket: train, prune, rewind, round after round.

Example:
  lottery-find --dataset=fashion_mnist --model=lenet --optimizer=adam --learning_rate=0.0012 \\
    --rounds=10 --epochs=5 --rewind=200 --run_dir=runs/lenet
"""

from absl import flags

from . import flags as shared

FLAGS = flags.FlagValues()
shared.define_data(FLAGS)
shared.define_model(FLAGS)
flags.DEFINE_integer(
    "rounds", None, "number of prunings (default 10, unless --final_sparsity is given)", flag_values=FLAGS
)
flags.DEFINE_float(
    "rate", None, "share of the surviving weights a round prunes (default 0.2)", flag_values=FLAGS
)
flags.DEFINE(
    shared.Numbers(),
    "final_sparsity",
    None,
    "share of zeros after the last round, reached exactly; or a list of them, such as "
    "0.8,0.9, reached one after the other by rounds of --rate",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "scope", "global", "global: one threshold over all weights; layer: one in each layer", FLAGS
)
flags.DEFINE_string(
    "rewind",
    "init",
    "init, a step of the first training (later rounds train from it to that training's end), trained (its end), lr or finetune "
    "(keep weights), "
    "or auto: the earliest step whose ticket is stable to data order, found by several searches",
    FLAGS,
)
flags.DEFINE_bool(
    "rewind_once",
    None,
    "rewind before the last round alone: those between go on with what they have learned, and can be short",
    FLAGS,
)
flags.DEFINE_integer(
    "block",
    1,
    "4 or 16: prune dense kernels in blocks of so many inputs, for the sparse kernels of mobile "
    "runtimes: 4 in float32, 16 in int8",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "structured",
    False,
    "let weak channels die as wholes, at the same sparsity: lottery-export --compact takes "
    "them out, and any phone gains",
    FLAGS,
)
flags.DEFINE_string(
    "budget",
    None,
    "optimizer steps of the whole search, dense trainings as in 3x, or minutes as in 90m: all rounds "
    "but the last, which makes the ticket, end early enough to keep it",
    FLAGS,
)
flags.DEFINE_float(
    "early_bird",
    None,
    "end a round, but the last, once less than this share of the weights it prunes are others than an "
    "epoch before, such as 0.1",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "patience",
    None,
    "end a round after so many epochs without a better validation accuracy",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "fast",
    False,
    "a ticket for three dense trainings: --rate=0.32 --budget=3x --rewind_once, to --final_sparsity=0.9 unless told otherwise; a higher "
    "rate where the rounds would be more than the epochs",
    FLAGS,
)
flags.DEFINE_list(
    "compare_at",
    [],
    "sparsities at which a random mask is trained as well, such as 0.9,0.95; with "
    "--rewind=lr or finetune also a dense net that is trained as often as the ticket",
    flag_values=FLAGS,
)
shared.define_training(FLAGS, 5, "epochs of each round")
shared.define_machines(FLAGS)
shared.define_run(FLAGS, "runs/find")


def main():
    from keras_lottery.experiments import autorewind, jobs, report
    from keras_lottery.search.stopping import fast

    own = {
        name: FLAGS[name].value
        for name in (
            "model",
            "width",
            "rounds",
            "rate",
            "final_sparsity",
            "scope",
            "rewind_once",
            "block",
            "structured",
            "budget",
            "early_bird",
            "patience",
            "compare_at",
        )
    }
    if FLAGS.fast:
        own |= (chosen := fast({**own, "rewind": FLAGS.rewind, "epochs": FLAGS.epochs}))
        print("fast: " + " ".join(f"--{name}={value}" for name, value in chosen.items()))
    own["rewind_once"] = bool(own["rewind_once"])
    given = {"dataset": shared.data_arguments(FLAGS), **own, **shared.training_arguments(FLAGS)}
    if FLAGS.rewind == "auto":
        result = autorewind.find(**given)
        print(f"rewound to step {result['rewind']}; {autorewind.describe(result['probes'])}")
    else:
        result = jobs.find(**given, rewind=FLAGS.rewind)
    report.show(result)
    last = max(row["sparsity"] for row in result["rows"])
    print(f"the run is in {FLAGS.run_dir}, its last ticket ({last:.1%} sparse) in {result['ticket']}; next:")
    print(f"  lottery-transfer --ticket={result['ticket']} --dataset=...")


def run():
    shared.run_command("lottery-find", main, FLAGS)


if __name__ == "__main__":
    run()

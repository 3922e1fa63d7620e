"""What is given to a command, and what it says: `python tests/support/show_bad_input.py` prints the table, as
Markdown.

tests/apps/test_bad_input.py takes each row: one line on stderr, exit code 2, nothing on stdout, before any
training.
"""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support")]

FIND, CARRY, EXPORT, STUDY, TUNE = "find", "transfer", "export", "study", "tune"
EARLY, LATE = True, False  # refused before data are loaded, or only once they are known

# command, what is given, a regular expression of what must be said, whether before data are loaded
CASES = [
    (FIND, "--rate=0", "rate=0.0 is impossible: give a share between 0 and 1", EARLY),
    (FIND, "--rate=20", "rate=20.0 is impossible", EARLY),
    (FIND, "--final_sparsity=1", "final_sparsity=1.0 is impossible", EARLY),
    (FIND, "--final_sparsity=0", "final_sparsity=0.0 is impossible", EARLY),
    (FIND, "--rounds=0", "rounds=0 is impossible: give a whole number from 1 to 10000", EARLY),
    (FIND, "--rounds=3 --rate=0.2 --final_sparsity=0.9", "give two of the three", EARLY),
    (FIND, "--rounds=many", "flag --rounds=many: expected a whole number, not 'many'", EARLY),
    (
        FIND,
        "--final_sparsity=0.99999999",
        "leaves none of the .* prunable weights of the model: prune less",
        LATE,
    ),
    (FIND, f"--rewind={10**4000}", "rewind=10+[.]{3}0+ is unknown", EARLY),
    (FIND, f"--budget={'9' * 5000}", "budget=9+[.]{3}9+ is impossible: give steps", EARLY),
    (FIND, f"--classes={'9' * 5000},1", "class '9+[.]{3}9+' is not in digits", LATE),
    (FIND, "--rewind=banana", "rewind=banana is unknown: give 'init', a step", EARLY),
    (FIND, "--rewind=-5", "rewind=-5 is unknown", EARLY),
    (FIND, "--rewind=1000 --epochs=2", "rewind=1000 is past the first round, which has 82 steps", LATE),
    (FIND, "--scope=locale", "scope=locale is unknown: choose 'global', 'layer'", EARLY),
    (FIND, "--compare_at=0.5,often", "compare_at=often is impossible: give a share between 0 and 1", EARLY),
    (FIND, "--compare_at=95", "compare_at=95 is impossible", EARLY),
    (FIND, "--epochs=-1", "epochs=-1 is impossible: give a whole number from 1 up", EARLY),
    (FIND, "--seed=-1", "seed=-1 is impossible", EARLY),
    (FIND, "--optimizer=adm", "optimizer=adm is unknown: choose 'sgd', .*Did you mean 'adam'", EARLY),
    (FIND, "--schedule=cosin", "schedule=cosin is unknown: .*Did you mean 'cosine'", EARLY),
    (FIND, "--learning_rate=0", "learning_rate=0.0 is impossible: give a number above 0", EARLY),
    (FIND, "--learning_rate=nan", "learning_rate=nan is impossible", EARLY),
    (FIND, "--warmup=1", "warmup=1: give the share of a training that it takes, 0 to below 1", EARLY),
    (FIND, "--warmup=0.1 --schedule=step", "warmup=0.1 is for --schedule=cosine: choose that", EARLY),
    (FIND, "--weight_decay=-1", "weight_decay=-1.0 is impossible: give 0 or more", EARLY),
    (FIND, "--precision=float16", "precision=float16 is unknown: .*Did you mean", EARLY),
    (FIND, "--strategy=miror", "strategy=miror is unknown: .*Did you mean 'mirrored'", EARLY),
    (FIND, "--model=resnet21", "no model is called 'resnet21'; did you mean .*resnet20", EARLY),
    (
        FIND,
        "--model=net.keras --dataset=digits",
        "its output shape is .*7.*, the data need .*10.*: --new_head gives it a new head",
        EARLY,
    ),
    (FIND, "--model=net.keras --new_head --channels=3", "channels=3: the model takes 1. Leave", EARLY),
    (FIND, "--model=net.keras --weights=imagenet", "a saved model has its own", EARLY),
    (FIND, "--model=lenet --weights=imagenet", "lenet has none", EARLY),
    (FIND, "--model=MobileNetV2 --weights=none.h5", "none.h5 of MobileNetV2: there is no such file", EARLY),
    (
        FIND,
        "--model=MobileNetV2 --weights=imagenet --channels=1",
        "channels=1: --weights=imagenet take images of 3 channels. Leave",
        EARLY,
    ),
    (FIND, "--new_head", "new_head is for a saved or pretrained model, and lenet is a new net", EARLY),
    (FIND, "--model=MobileNetV2 --freeze_backbone", "MobileNetV2 has new weights: give --weights", EARLY),
    (FIND, "--model=MobileNetV2 --width=2", "MobileNetV2 of keras.applications has the width it has", EARLY),
    (FIND, "--preprocessing=imagnet", "preprocessing=imagnet is unknown: .*Did you mean 'imagenet'", EARLY),
    (FIND, "--model=absent.keras", "model=absent.keras: there is no such file", EARLY),
    (FIND, "--model=nt.keras", "model=nt.keras: there is no such file; did you mean 'net.keras'", EARLY),
    (FIND, "--model=net", "no model is called 'net'.*the name of a saved model ends in .keras or .h5", EARLY),
    (FIND, "--model=weights.h5", "weights without their model: save it whole, by model.save", EARLY),
    (FIND, "--model=unbuilt.keras", "model=unbuilt.keras is not built", EARLY),
    (
        FIND,
        "--model=keras3.keras --backend=tf_keras",
        r"=keras3.keras was saved by Keras 3\.\S+: give --backend=tensorflow, or jax or torch",
        EARLY,
    ),
    (FIND, "--model=cut.keras", "=cut.keras cannot be read by tf_keras: .*whole", EARLY),
    (
        FIND,
        "--model=lambda.keras",
        "=lambda.keras cannot be read by tf_keras: .*holds a Lambda layer, whose code is not run",
        EARLY,
    ),
    (FIND, "--model=two_inputs.keras", "two_inputs.keras: .*input shape", EARLY),
    (FIND, "--model=net.keras --width=2", "width=2.0 is for the builders", EARLY),
    (FIND, "--width=0", "width=0.0 is impossible", EARLY),
    (
        FIND,
        "--width=1000000",
        "width=1e.06: the .* weights of lenet .* need .* GB of memory, .* give a smaller width",
        LATE,
    ),
    (
        FIND,
        "--epochs=100000000000000000000",
        "epochs=1.*0 is impossible: give a whole number from 1 to 2147483647",
        EARLY,
    ),
    (
        FIND,
        "--learning_rate=1e39",
        "learning_rate=1e.39 is impossible: give a number above 0 that float32 can hold",
        EARLY,
    ),
    (
        FIND,
        "--weight_decay=1e39",
        "weight_decay=1e.39 is impossible: give 0 or more that float32 can hold",
        EARLY,
    ),
    (FIND, "--rate=1e-310", "rate=1e-310 would prune nothing", EARLY),
    (FIND, "--validation=0.9999", "hold out less than --validation=0.9999$", LATE),
    (FIND, "--dataset=looped", "looped/cat cannot be read: Too many levels of symbolic links", LATE),
    (
        FIND,
        "--dataset=fashion_mnst",
        "no data set is called 'fashion_mnst'.*did you mean fashion_mnist",
        LATE,
    ),
    (
        FIND,
        "--dataset=image",
        "no data set is called 'image', and no folder here.*did you mean .*images",
        LATE,
    ),
    (FIND, "--dataset=./absent", "absent: no such folder", LATE),
    (FIND, "--dataset=./images", "no image to train on in .*empty", LATE),
    (FIND, "--classes=0,1,17", "class '17' is not in digits: expected labels 0 to 9", LATE),
    (FIND, "--classes=3", "1 class to tell apart; expected 2 or more", LATE),
    (FIND, "--validation=1.5", "validation=1.5", LATE),
    (FIND, "--batch_size=0", "batch_size=0: expected a whole number, 1 or more", LATE),
    (FIND, "--image_size=4", "images must be at least 8x8", LATE),
    (FIND, "--channels=2", "channels=2: expected 1", LATE),
    (FIND, "--train_split=trian", "train_split=trian is not in digits", LATE),
    (FIND, "--run_dir=/proc/run", "cannot write to '/proc/run'", EARLY),
    (FIND, "--run_dir=net.keras/run", "cannot write to 'net.keras/run': Not a directory", EARLY),
    (FIND, "--run_dir=images", "'images' is not empty and holds no run: give another --run_dir", EARLY),
    (FIND, "--run_dir=images --overwrite", "'images' is not empty and holds no run", EARLY),
    (FIND, "--modle=lenet", "Unknown command line flag 'modle'. Did you mean: model", EARLY),
    (FIND, "--lr=0.1", "Unknown command line flag 'lr'. Did you mean: learning_rate", EARLY),
    (FIND, "--sparsity=0.9", "flag 'sparsity'. Did you mean: final_sparsity", EARLY),
    (STUDY, "--sparsity=0.9", "flag 'sparsity'. Did you mean: sparsities", EARLY),
    (CARRY, "--ticket=small --sha256=12", "after the address: --ticket=https://...zip#sha256=HASH", EARLY),
    (FIND, "lenet", "'lenet' is no flag: write --name=value", EARLY),
    (CARRY, "", "no ticket given: give --ticket=NAME", EARLY),
    (CARRY, "--ticket=absent", "no ticket at 'absent': give a folder that holds ticket.json", EARLY),
    (
        CARRY,
        f"--ticket={'a' * 300}",
        r"is no path that a file can have \(File name too long\): give a ticket's folder or its name",
        EARLY,
    ),
    (
        CARRY,
        "--ticket=hf://small",
        "hf://small' is no address on the Hugging Face Hub: give hf://user/name",
        EARLY,
    ),
    (CARRY, "--ticket=http://a/b.zip", "http://a/b.zip' is no address of a ticket: give https://", EARLY),
    (CARRY, "--ticket=https://a/b.zip#sha256=12", "sha256='12' is no SHA-256: give the 64 digits", EARLY),
    (CARRY, "--ticket=damaged", "weights.safetensors' is cut or altered", EARLY),
    (CARRY, "--ticket=other", r"the ticket's net takes \(None, 8\): expected one input of images", EARLY),
    (
        CARRY,
        "--ticket=lenet --image_size=8",
        "does not fit this architecture: dense1/kernel would be .* Resize the images",
        EARLY,
    ),
    (CARRY, "--ticket=small --start=trained", "saved without trained weights", EARLY),
    (
        CARRY,
        "--ticket=small --start=winning",
        "start=winning is unknown: choose 'rewind', 'trained', 'random'",
        EARLY,
    ),
    (CARRY, "--ticket=small --controls=randon", "controls=randon is unknown: .*Did you mean 'random'", EARLY),
    (
        CARRY,
        "--ticket=small --controls=random",
        "needs the dense weights of the search, round_00 beside",
        EARLY,
    ),
    (CARRY, "--ticket=small --classes=5", "1 class to tell apart", LATE),
    (CARRY, "--ticket=small --preprocessing=caffe", "caffe has blue first.*give --preprocessing=auto", EARLY),
    (CARRY, "--ticket=small --preprocessing=caffee", "Did you mean 'caffe'", EARLY),
    (
        EXPORT,
        "--ticket=small --output=student.onnx --start=rewind",
        "expected a file name that ends in .tflite",
        EARLY,
    ),
    (
        EXPORT,
        "--ticket=small --output=there.tflite --start=rewind",
        "there.tflite exists: choose another path",
        EARLY,
    ),
    (EXPORT, "--ticket=hf://a --output=x.tflite", "is no address on the Hugging Face Hub", EARLY),
    (EXPORT, "--output=x.tflite", "give --ticket=FOLDER and --output=FILE.tflite", EARLY),
    (EXPORT, "--ticket=small --output=x.tflite --goal=speed --start=rewind", "goal", EARLY),
    (EXPORT, "--ticket=small --output=x.tflite --formats=int4 --start=rewind", "formats", EARLY),
    (
        EXPORT,
        "--ticket=small --output=x.tflite --dataset=digits --start=rewind",
        "does not say how its images were normalised.*preprocessing=none, own",
        EARLY,
    ),
    (
        EXPORT,
        "--ticket=small --output=x.tflite",
        "saved without trained weights.*train it with lottery-transfer.*or give --start=rewind",
        EARLY,
    ),
    (
        EXPORT,
        "--ticket=lenet-fashion_mnist-95 --output=x.tflite --dataset=digits",
        "digits has the classes 0, 1, .* tells T-shirt/top, .* apart: .*train the ticket on your images",
        EARLY,
    ),
    (FIND, "--rewind=auto --validation=0", "validation", EARLY),
    (FIND, "--learning_rate=0.1,0.01 --schedule=cosine", "several rates are for --schedule=step, not", EARLY),
    (FIND, "--final_sparsity=0.9,0.8", "give rising sparsities", EARLY),
    (STUDY, "--targets=digits", "'digits' is the source: leave it out", EARLY),
    (STUDY, "--sparsities=0.9,0.8", "give rising sparsities", EARLY),
    (STUDY, "--sparsities=90", "sparsities=90 is impossible: give a share", EARLY),
    (STUDY, "--controls=randon", "controls=randon is unknown: .*Did you mean 'random'", EARLY),
    (STUDY, "--controls=random@0.7", "one of the study's sparsities, 0.8, 0.9, 0.95", EARLY),
    (
        STUDY,
        "--target_steps=9 --target_epochs=9",
        "both say how long to train on a target: give one of them",
        EARLY,
    ),
    (STUDY, "--controls=random@", "one of the study's sparsities, 0.8, 0.9, 0.95", EARLY),
    (STUDY, "--run_dir=images", "'images' is not empty and holds no study: give another --run_dir", EARLY),
    (
        STUDY,
        "--seeds=1000000000",
        "seeds=1000000000 is impossible: give a whole number from 1 to 10000",
        EARLY,
    ),
    (STUDY, "--jobs=1000000", "jobs=1000000 is impossible: give a whole number from 1 to 1000", EARLY),
    (STUDY, "--sparsities=0.9,0.9", "sparsities=0.9,0.9: give rising sparsities", EARLY),
    (STUDY, "--seeds=0", "seeds=0 is impossible", EARLY),
    (STUDY, "--jobs=0", "jobs=0 is impossible", EARLY),
    (STUDY, "--run_dir=/proc/run", "cannot write to '/proc/run'", EARLY),
    (STUDY, "--model=resnet21", "no model is called 'resnet21'", LATE),
    (
        STUDY,
        "--model=scales.keras",
        "takes images in the scaling 0to1, and a study gives all of its nets the images' own mean .*: search "
        "with lottery-find",
        LATE,
    ),
    (STUDY, "--model=lenet --sparsities=0.99999999", "of the model: prune less.$", LATE),
    (TUNE, "--trials=0", "trials=0 is impossible", EARLY),
    (TUNE, "--rates=", "rates is empty", EARLY),
    (TUNE, "--epochs_range=5,2", "epochs_range=5,2 is out of order", EARLY),
    (TUNE, "--final_sparsity=1.5", "final_sparsity=1.5 is impossible", EARLY),
]


def prepare(folder):
    """The files that the cases name."""
    import keras
    import tf_keras
    from small import L, dense, pruned_ticket

    from keras_lottery import models

    def conv(shape=(8, 8, 1), classes=10):
        return tf_keras.Sequential(
            [
                L.Input(shape),
                L.Conv2D(4, 3, name="a"),
                L.GlobalAveragePooling2D(),
                L.Dense(classes, name="head"),
            ]
        )

    with contextlib.redirect_stdout(None):
        conv(classes=7).save(folder / "net.keras")
        conv().save_weights(folder / "weights.h5")
        pruned_ticket(conv(), 0.5, trained=False).save(folder / "small")
        pruned_ticket(dense(), 0.5).save(folder / "other")
        pruned_ticket(models.build("lenet", (9, 9, 1), 10), 0.5).save(folder / "lenet")
        pruned_ticket(dense(), 0.5).save(folder / "damaged")
    weights = folder / "damaged" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    tf_keras.Sequential([L.Input((8, 8, 1)), L.Rescaling(2.0, -1.0), L.Flatten(), L.Dense(10)]).save(
        folder / "scales.keras"
    )
    tf_keras.Sequential([L.Dense(4), L.Dense(10)]).save(folder / "unbuilt.keras")
    tf_keras.Sequential([L.Input((8, 8, 1)), L.Lambda(lambda x: x), L.Flatten(), L.Dense(10)]).save(
        folder / "lambda.keras"
    )
    a, b = L.Input((8, 8, 1)), L.Input((8, 8, 1))
    tf_keras.Model([a, b], L.Dense(10)(L.Flatten()(a + b))).save(folder / "two_inputs.keras")
    keras.Sequential([keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]).save(
        folder / "keras3.keras"
    )
    (folder / "cut.keras").write_bytes((folder / "net.keras").read_bytes()[:900])
    (folder / "there.tflite").write_bytes(b"x")
    (folder / "looped").mkdir()
    (folder / "looped" / "cat").symlink_to("cat")
    for name in ("cat", "dog", "empty"):
        (folder / "images" / name).mkdir(parents=True)
        for n in range(6 if name != "empty" else 0):
            tf_keras.utils.save_img(folder / "images" / name / f"{n}.png", [[[n * 9]] * 8] * 8, scale=False)


def of(app):
    """The module of a command."""
    from apps import export_ticket, find_ticket, study, transfer_ticket, tune

    return {FIND: find_ticket, CARRY: transfer_ticket, EXPORT: export_ticket, STUDY: study, TUNE: tune}[app]


def say(app, given):
    """(exit code, stdout, stderr) of a command in the present folder."""
    from small import command

    more = ["--dataset=digits"] if app == CARRY else []
    return command(of(app), *more, *given.split())


def main():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        os.chdir(folder)
        print("| given | said (exit code 2) |\n|---|---|")
        for app, given, _, _ in CASES:
            code, out, err = say(app, given)
            print(
                f"| `{f'lottery-{app} {given}'.strip()}` | "
                f"{err.strip().partition(': ')[2] if code == 2 else code} |",
                flush=True,
            )
        os.chdir(ROOT)


if __name__ == "__main__":
    main()

"""Public architectures through the whole road: which layers are pruned, which are not and why; fit, strip and
export.

    python docs/results/architectures.py [--backend tensorflow] [--only MobileNetV2,...]

Weights are random and the images noise: it shows that the road is open, not what the nets can do. Rows go to
docs/results/architectures.md; those of other nets on the same backend stay. ViT is KerasHub's, where
keras-hub is installed.
"""

import argparse
import collections
import contextlib
import io
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SIDES = {"Xception": 71, "InceptionV3": 75}
NAMES = (
    "ResNet50",
    "MobileNetV2",
    "MobileNetV3Small",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "ConvNeXtTiny",
    "DenseNet121",
    "NASNetMobile",
    "Xception",
    "VGG16",
    "ViT",
)


def build(keras, name):
    side = SIDES.get(name, 32)
    if name == "ViT":
        import keras_hub

        backbone = keras_hub.models.ViTBackbone(
            image_shape=(side, side, 3),
            patch_size=(8, 8),
            num_layers=4,
            num_heads=4,
            hidden_dim=64,
            mlp_dim=128,
        )
        image = keras.Input((side, side, 3))
        return keras.Model(image, keras.layers.Dense(5, name="head")(backbone(image)[:, 0]))
    return getattr(keras.applications, name)(
        weights=None, input_shape=(side, side, 3), classes=5, classifier_activation=None
    )


def row(name):
    import keras
    import numpy as np

    import keras_lottery as lottery

    start = time.perf_counter()
    model = build(keras, name)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, *model.input_shape[1:])).astype("float32"), rng.integers(0, 5, 16)
    wrapped = lottery.wrap(
        model, scope="layer", verbose=False
    )  # a global threshold empties whole layers of untrained nets
    with contextlib.redirect_stdout(io.StringIO()):
        rows = lottery.summary(wrapped)
    wrapped.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ticket = lottery.find_ticket(wrapped, (x, y), epochs=1, rounds=1, final_sparsity=0.9, verbose=0)
    left = sum(
        int(np.count_nonzero(v.numpy()[~mask]))
        for (_, mask), v in zip(lottery.masks(wrapped).items(), lottery.prunable(wrapped).values())
    )
    stripped = lottery.strip(wrapped)
    with tempfile.TemporaryDirectory() as folder:
        written = lottery.export(stripped, os.path.join(folder, "m.tflite"), formats="float32", verbose=False)
    reasons = collections.Counter(r["reason"] for r in rows if not r["pruned"])
    sizes = {v.encoding: v.bytes for v in written.variants}
    return {
        "name": name,
        "weights": len(rows),
        "pruned": sum(r["pruned"] for r in rows),
        "share": sum(r["size"] for r in rows if r["pruned"]) / sum(r["size"] for r in rows),
        "reasons": "; ".join(f"{count} {reason}" for reason, count in reasons.most_common()),
        "sparsity": ticket.sparsity,
        "nonzero": left,
        "dense": sizes["dense"],
        "sparse": sizes["sparse"],
        "difference": written.chosen.relative_difference,
        "seconds": time.perf_counter() - start,
    }


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--backend", default="tensorflow")
    options.add_argument("--only", default=",".join(NAMES))
    given = options.parse_args()
    os.environ["KERAS_BACKEND"] = given.backend
    head = [
        "# Architectures through wrap, fit, strip and export",
        "",
        f"Keras 3 on {given.backend}; one round to 90% zeros in each layer on noise, stripped, exported. "
        "Written by",
        "`python docs/results/architectures.py`.",
        "",
        "| net | weights pruned | of the parameters | left dense, and why | masked weights not 0 | .tflite "
        "dense, kB | sparse, kB | largest relative difference |",
        "|---|---|---|---|---|---|---|---|",
    ]
    page = Path(__file__).with_suffix(".md")
    there = page.read_text().splitlines() if page.exists() else []
    found = {line.split()[1]: line for line in there[len(head) :]} if there[: len(head)] == head else {}
    for name in given.only.split(","):
        try:
            told = row(name)
        except ImportError as error:
            print(f"{name}: not done, {error}", file=sys.stderr)
            continue
        found[name] = (
            f"| {name} | {told['pruned']} of {told['weights']} | {told['share']:.1%} | "
            f"{told['reasons']} | {told['nonzero']} | {told['dense'] / 1000:,.0f} | "
            f"{told['sparse'] / 1000:,.0f} | {told['difference']:.1e} |"
        )
        print(found[name], f"{told['seconds']:.0f} s", flush=True)
    page.write_text("\n".join([*head, *found.values()]) + "\n")


if __name__ == "__main__":
    main()

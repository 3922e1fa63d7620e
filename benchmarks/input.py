"""Images a second from this package's input pipeline, from one written per image with tf.data, and what a
step takes.

    python benchmarks/input.py [--images 20000] [--epochs 5]

CIFAR-10's shape (random uint8 images, since the pixels' values cost nothing): normalised, flipped and cropped
from a frame of 4 zeros, batch 128. One epoch of each pipeline follows the other, with all cores, and nothing
else running; the step is resnet20's, plain Keras at the precision that the commands choose.
"""

import argparse
import statistics

import side_by_side as bench

BATCH, SHAPE = 128, (32, 32, 3)


def per_image(tf, x, y, seed=0):
    """As the guides write it: each image on its own, from slices in memory."""
    mean, std = tf.constant([0.49, 0.48, 0.45]), tf.constant([0.25, 0.24, 0.26])

    def prepare(image, label):
        image = (tf.cast(image, tf.float32) / 255 - mean) / std
        image = tf.image.random_flip_left_right(tf.image.resize_with_crop_or_pad(image, 40, 40))
        return tf.image.random_crop(image, SHAPE), label

    images = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(10_000, seed)
    return (
        images.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(BATCH, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--images", type=int, default=20000)
    options.add_argument("--epochs", type=int, default=5)
    given = options.parse_args()
    import numpy as np
    import tensorflow as tf

    from keras_lottery import data, models
    from keras_lottery.experiments import optimizers
    from keras_lottery.experiments.precision import set_precision

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (given.images, *SHAPE), dtype="uint8"), rng.integers(0, 10, given.images)
    ours = data.batches(x, y, batch_size=BATCH, augment=True, mean=[0.49, 0.48, 0.45], std=[0.25, 0.24, 0.26])
    sides = {"ours": ours, "per image": per_image(tf, x, y)}
    taken = bench.in_turn(
        {name: lambda batches=batches: [None for _ in batches] for name, batches in sides.items()},
        given.epochs + 1,
    )
    taken = {name: seconds[1:] for name, seconds in taken.items()}
    precision = set_precision("auto")
    model = models.build("resnet20", SHAPE, 10)
    optimizers.compile_classifier(model, optimizers.make_optimizer("sgd", 0.01))
    batch = next(iter(ours))
    step = tf.function(model.train_step)
    steps = [
        bench.seconds(lambda: [value.numpy() for value in tf.nest.flatten(step(batch))]) for _ in range(23)
    ][3:]
    count = given.images // BATCH * BATCH
    consumed = BATCH / statistics.median(steps)
    rows = []
    for name, seconds in taken.items():
        rate = count / statistics.median(seconds)
        rows.append(
            {
                "pipeline": name,
                "images_a_second": round(rate),
                "over_what_a_step_takes": round(rate / consumed, 2),
                "time_over_ours": bench.ratio(seconds, taken["ours"]),
            }
        )
        print(
            f"{name:>9}: {rate:,.0f} images/s, {rate / consumed:.1f} times what resnet20's step takes "
            f"({consumed:,.0f}/s, {precision})"
        )
    bench.write("input", rows, images_a_second_of_the_step=round(consumed), precision=precision)


if __name__ == "__main__":
    main()

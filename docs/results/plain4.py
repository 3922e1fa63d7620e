"""Write plain4.keras: four 3x3 convolutions without BatchNorm, global average pooling, 390 k weights.

python docs/results/plain4.py plain4.keras
"""

import sys

import tf_keras

tf_keras.utils.set_random_seed(0)
image = x = tf_keras.Input((28, 28, 1), name="image")
for number, (filters, strides) in enumerate([(32, 1), (64, 2), (128, 2), (256, 1)], 1):
    x = tf_keras.layers.Conv2D(
        filters,
        3,
        strides,
        padding="same",
        activation="relu",
        kernel_initializer="he_normal",
        name=f"conv{number}",
    )(x)
x = tf_keras.layers.GlobalAveragePooling2D(name="pool")(x)
tf_keras.Model(image, tf_keras.layers.Dense(10, dtype="float32", name="logits")(x), name="plain4").save(
    sys.argv[1]
)

"""Models that hold another one and preprocess in a fit of their own, as KerasHub's tasks do."""

import numpy as np
import pytest
import world
import zoo
from small import LOGITS
from world import KERAS3, array, keras, load_model, register, skip_unless

import keras_lottery as lottery

pytestmark = pytest.mark.engine

L = keras.layers
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3)).astype("float32")
LABELS = np.arange(12) % 3


@register
class Backbone(keras.Model):
    """A functional model with a constructor, an attribute and a method of its own."""

    def __init__(self, width, data_format="channels_last", **kwargs):
        x = keras.Input((8, 8, 3))
        y = L.Conv2D(width, 3, data_format=data_format, name="a")(x)
        super().__init__(
            x, L.Conv2D(4, 3, activation="relu", name="b")(L.BatchNormalization(name="norm")(y)), **kwargs
        )
        self.width, self.data_format = width, data_format

    def get_config(self):
        return {"width": self.width, "data_format": self.data_format, "name": self.name}

    def doubled(self, x):
        return 2 * self(x)


@register
class Classifier(keras.Model):
    """As keras_hub.models.ImageClassifier: a backbone, a head, and a preprocessor that fit and predict
    call."""

    def __init__(self, backbone, classes, preprocessor=None, **kwargs):
        x = backbone.input
        super().__init__(
            x,
            L.Dense(classes, name="head")(L.GlobalAveragePooling2D(backbone.data_format)(backbone(x))),
            **kwargs,
        )
        self.backbone, self.preprocessor, self.classes = backbone, preprocessor, classes

    def fit(self, x, y=None, **kwargs):
        given = (
            (x.map(lambda images, labels: (self.preprocessor(images), labels)),)
            if y is None
            else (self.preprocessor(x), y)
        )
        return super().fit(*given, **kwargs)

    def predict(self, x, **kwargs):
        return super().predict(self.preprocessor(x), **kwargs)

    def get_config(self):
        return {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in ("backbone", "preprocessor")
        } | {"classes": self.classes}

    @classmethod
    def from_config(cls, config):
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(value) if isinstance(value, dict) else value
                for name, value in config.items()
            }
        )


def classifier(backbone):
    return Classifier(backbone, 3, L.Rescaling(1 / 255))


def hub_backbone():
    hub = pytest.importorskip("keras_hub")
    return hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        image_shape=(8, 8, 3),
    )


def hub_classifier(backbone):
    import keras_hub

    preprocessor = keras_hub.models.ResNetImageClassifierPreprocessor(
        keras_hub.layers.ResNetImageConverter(scale=1 / 255, image_size=(8, 8))
    )
    return keras_hub.models.ImageClassifier(backbone, 3, preprocessor=preprocessor)


TASKS = {"own": (lambda: Backbone(6), classifier), "keras_hub": (hub_backbone, hub_classifier)}


@pytest.mark.parametrize("name", TASKS if KERAS3 else ["own"])
def test_a_task_is_refused_with_the_way_out(name):
    backbone, task = TASKS[name]
    with pytest.raises(
        lottery.LotteryError,
        match=r"Classifier has its own .*fit.* and predict.*Classifier\(backbone=lottery.wrap\(backbone\), ",
    ):
        lottery.wrap(task(backbone()))


@skip_unless("keras", reason="tf_keras copies layer by layer, so a class with a constructor is left")
@pytest.mark.parametrize("name", TASKS)
def test_a_task_on_a_wrapped_backbone(name, tmp_path):
    """Predicts as before, its own preprocessing included; trains with zeros held; saves, loads and trains
    on."""
    make, task = TASKS[name]
    backbone = make()
    plain = task(backbone)
    wrapped = lottery.wrap(backbone)
    model = task(wrapped)
    model.get_layer(plain.layers[-1].name).set_weights(plain.layers[-1].get_weights())
    expected = plain.predict(IMAGES, verbose=0)
    assert zoo.same(model.predict(IMAGES, verbose=0), expected) and not np.allclose(
        array(model(IMAGES)), expected
    )

    zoo.tighten(wrapped, 0.6, "layer")
    model.compile("adam", LOGITS, metrics=["accuracy"])
    before = wrapped.get_weights()
    model.fit(IMAGES, LABELS, batch_size=4, epochs=2, verbose=0)
    assert zoo.drift(wrapped) == 0 and not zoo.same(wrapped.get_weights(), before)
    assert lottery.sparsity(wrapped) == pytest.approx(0.6, abs=0.02)
    held = model.predict(IMAGES, verbose=0)

    model.save(tmp_path / "task.keras")
    loaded = load_model(tmp_path / "task.keras")
    assert type(loaded) is type(model) and zoo.same(loaded.predict(IMAGES, verbose=0), held)
    assert zoo.same(list(lottery.masks(loaded.backbone).values()), list(lottery.masks(wrapped).values()))
    loaded.fit(IMAGES, LABELS, batch_size=4, verbose=0)
    assert zoo.drift(loaded.backbone) == 0 and not zoo.same(loaded.predict(IMAGES, verbose=0), held)

    stripped = task(lottery.strip(wrapped))
    stripped.get_layer(plain.layers[-1].name).set_weights(model.layers[-1].get_weights())
    assert zoo.same(stripped.predict(IMAGES, verbose=0), held)


@skip_unless("keras", reason="tf_keras copies layer by layer, so a class with a constructor is left")
def test_a_wrapped_model_has_what_its_class_has():
    wrapped = lottery.wrap(Backbone(6, name="body"))
    assert (wrapped.data_format, wrapped.width) == ("channels_last", 6)
    assert zoo.same(array(wrapped.doubled(IMAGES)), 2 * array(wrapped(IMAGES)))
    with pytest.raises(AttributeError, match="no_such_thing"):
        wrapped.no_such_thing
    assert not hasattr(wrapped, "_no_such_thing")


@skip_unless("keras", reason="tf_keras copies layer by layer, so a class with a constructor is left")
def test_a_search_in_a_tasks_own_fit(tmp_path):
    """The masks, the ticket and its model are those of the task; the model of its ticket preprocesses as the
    task does."""
    wrapped = lottery.wrap(
        Backbone(6, name="body"),
        prune_head=True,
        schedule=lottery.LotterySchedule(rounds=2, rate=0.5, round_steps=3),
    )
    model = classifier(wrapped)
    model.compile("adam", LOGITS, run_eagerly=world.EAGER)
    assert set(lottery.masks(model)) == set(lottery.prunable(model)) == {"body/a/kernel", "body/b/kernel"}
    callback = lottery.LotteryCallback()
    model.fit(IMAGES, LABELS, batch_size=4, epochs=3, callbacks=[callback], verbose=0)
    assert (
        lottery.sparsity(model) == callback.ticket.sparsity == pytest.approx(0.75, abs=0.01)
        and zoo.drift(wrapped) == 0
    )

    expected = model.predict(IMAGES, verbose=0)
    callback.ticket.save(tmp_path / "ticket")
    again = lottery.load_ticket(tmp_path / "ticket").model("trained")
    assert type(again) is Classifier and lottery.sparsity(again) == callback.ticket.sparsity
    assert zoo.same(again.predict(IMAGES, verbose=0), expected)
    again.compile("adam", LOGITS, run_eagerly=world.EAGER)
    again.fit(IMAGES, LABELS, verbose=0)
    assert zoo.drift(again.backbone) == 0 and not zoo.same(again.predict(IMAGES, verbose=0), expected)

    plain = lottery.strip(model)
    assert type(plain) is Classifier and type(plain.backbone) is Backbone
    assert zoo.same(plain.predict(IMAGES, verbose=0), expected) and lottery.sparsity(
        plain
    ) == lottery.sparsity(model)


@skip_unless("tensorflow", reason="a tf.data.Dataset is made in each world alike")
def test_find_ticket_of_a_task():
    """Its fit says what it takes, such as larger images."""
    import tensorflow as tf

    model = Classifier(lottery.wrap(Backbone(6), prune_head=True), 3, L.Resizing(8, 8))
    model.compile("adam", LOGITS, run_eagerly=True)
    large = np.repeat(np.repeat(IMAGES, 2, 1), 2, 2)
    with pytest.raises(
        lottery.LotteryError,
        match="Classifier has its own fit: give train as that takes it, such as a tf.data.Dataset",
    ):
        lottery.find_ticket(model, (large, LABELS), epochs=1, rounds=1, verbose=0)
    train = tf.data.Dataset.from_tensor_slices((large, LABELS)).batch(4)
    ticket = lottery.find_ticket(model, train, epochs=1, rounds=1, rate=0.5, verbose=0)
    assert ticket.sparsity == lottery.sparsity(model) == pytest.approx(0.5, abs=0.01)

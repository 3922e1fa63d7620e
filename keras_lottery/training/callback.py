"""A callback that the fit of either Keras takes: tf_keras and Keras 3 ask for methods, not for their own
class."""

import math

from .. import engines


class Callback:
    """What a callback of ours derives from. `model` is the model that is trained, `handle` that of it."""

    model = handle = params = None
    prunes = False  # while fit runs

    def set_model(self, model):
        self.model, self.handle = model, engines.of(model)

    def set_params(self, params):
        self.params = params

    def _nothing(self, *args, **kwargs):
        pass

    on_train_begin = on_train_end = on_epoch_begin = on_epoch_end = _nothing
    on_batch_begin = on_batch_end = on_train_batch_begin = on_train_batch_end = _nothing
    on_test_begin = on_test_end = on_test_batch_begin = on_test_batch_end = _nothing
    on_predict_begin = on_predict_end = on_predict_batch_begin = on_predict_batch_end = _nothing

    # tf_keras asks these before it calls the hooks of batches.
    def _implements_train_batch_hooks(self):
        return True

    def _implements_test_batch_hooks(self):
        return False

    _implements_predict_batch_hooks = _implements_test_batch_hooks


class StepCounter(Callback):
    """Counts the optimizer's steps, over epochs, from `start` on."""

    def __init__(self, start=0):
        self.step = start

    def on_epoch_begin(self, epoch, logs=None):
        self._in_epoch = 0

    def on_train_batch_end(self, batch, logs=None):
        # With steps_per_execution `batch` is the last of several; Keras 3 lets it run past the end of the
        # epoch.
        done = min(batch + 1, self.params["steps"] or math.inf)
        self.step += done - self._in_epoch
        self._in_epoch = done

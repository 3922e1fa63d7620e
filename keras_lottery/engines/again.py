"""What a file cannot bring back of a model, with the cure, for `wrap` to say."""

from ..architecture.trust import trusted
from ..core.errors import LotteryError


def lost(handle):
    """Why the model of a saved ticket could not be built again, and the cure; "" if it can.

    Args:
      handle: that of a wrapped or a plain model.
    """
    saving, keras = handle.keras.saving, handle.keras.__name__
    strangers = False
    for path, item in {"": handle.unwrap(handle.model), **handle.layers()}.items():
        kind, what = type(item), f"layer {path!r}" if path else "the model"
        if kind.__module__.startswith((f"{keras}.", "keras_lottery.")):
            if kind.__name__ == "Lambda":
                return (
                    f"{what} is a Lambda, and no file may run code: make it a layer class with a get_config, "
                    f"under @{keras}.saving.register_keras_serializable()"
                )
        elif saving.get_registered_object(saving.get_registered_name(kind)) is not kind:
            return (
                f"{what} is a {kind.__name__}, which is not registered: put "
                f"@{keras}.saving.register_keras_serializable() before that class"
            )
        else:
            strangers = True
        strangers |= kind.__name__ == "SpectralNormalization"  # which tf_keras does not build from its config
    try:
        architecture = handle.architecture()
        if not strangers:  # Keras' own layers are built from what Keras says of them
            trusted(architecture, handle.NAMES)
            return ""
        made = {(path, shape) for path, (shape, _) in handle.shapes(architecture).items()}
    except LotteryError as error:
        return str(error).rstrip(".")
    other = sorted(made ^ {(path, tuple(variable.shape)) for path, variable in handle.variables().items()})
    return (
        other
        and (
            f"built from its configs it has another {other[0][0]!r}: the get_config of its layer must hold "
            "every argument of its constructor"
        )
        or ""
    )

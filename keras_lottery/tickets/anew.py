"""What new weights are drawn for: what training changes, nothing that is frozen or was adapted to data."""

from ..training.batch_norm import learns_statistics


def drawn_anew(handle):
    """Paths of the trainable weights of a model, by its handle, and of the BatchNorm statistics that train
    with them.

    All other state says what the net was given rather than what it learned: frozen weights with the
    statistics beside them, what Normalization was adapted to, constants.
    """
    return {
        path
        for path, variable, _, owners in handle.owned_variables()
        if all(layer.trainable for layer in owners) and (variable.trainable or learns_statistics(owners[-1]))
    }

"""The net that a study compares, which takes images as a study gives them."""

from ...core.errors import LotteryError
from ...models import saved
from ..configs import OwnNet
from ..look import OWN, opened


def net_of(study, keras: str, source):
    """The plain net of a study for its source, as `load` gave that.

    Raises:
      LotteryError: there is no such net, it does not fit the source, or it is a saved model that takes images
        in a scaling of its own.
    """
    model = study.net.model
    made = saved.builder(model, study.net.width, keras)(source.input_shape, source.num_classes)
    if saved.is_file(model):
        _check_scaling(str(model), study.datasets[study.source_name], keras, source)
    return made


def _check_scaling(file, data, keras, source):
    def again(*_, normalization):
        return source.scaled(normalization)

    try:
        scaling = opened(OwnNet(model=file), data, 0, keras, again).scaling
    except LotteryError:
        scaling = "that nothing tells"
    if scaling != OWN:
        raise LotteryError(
            f"model={file!r} takes images in the scaling {scaling}, and a study gives all of its nets {OWN}: "
            "search with lottery-find, which keeps to the model's scaling, and carry its tickets with "
            "lottery-transfer."
        )

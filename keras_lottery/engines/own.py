"""What a model's class may do in its own way as it trains, and a model that wraps or copies it would not."""

import inspect

METHODS = (
    "compile",
    "fit",
    "evaluate",
    "predict",
    "train_on_batch",
    "test_on_batch",
    "predict_on_batch",
    "train_step",
    "test_step",
    "predict_step",
    "make_train_function",
    "make_test_function",
    "make_predict_function",
    "compute_loss",
    "stateless_compute_loss",
    "compute_metrics",
    "get_metrics_result",
    "reset_metrics",
    "metrics",
)


def own_methods(model, plain, names=METHODS):
    """The names of the methods that `model` or its class has otherwise than the class `plain`, as text."""
    kind = type(model)
    own = [
        name
        for name in names
        if name in vars(model) or getattr(kind, name, None) is not getattr(plain, name, None)
    ]
    return " and ".join([", ".join(own[:-1]), own[-1]] if len(own) > 1 else own)


def way_out(model, keras):
    """What to wrap instead of a model whose class has methods of its own: the model that it is made from."""
    kind = type(model)
    arguments = inspect.signature(kind).parameters
    inside = [name for name in arguments if isinstance(getattr(model, name, None), keras.Model)]
    if not inside:
        return "wrap the model of layers in it"
    return f"make it from a wrapped model, {kind.__name__}({inside[0]}=lottery.wrap({inside[0]}), ...)"

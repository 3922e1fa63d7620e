"""The recipe that a compiled model is trained by, for the notes of its tickets."""

_NAMES = {"SGD": "sgd", "Adam": "adam", "AdamW": "adamw", "RMSprop": "rmsprop", "Lion": "lion"}
_MOMENTUM = {"sgd": 0.9, "rmsprop": 0.0}  # of the optimizers that recipes mean


def recipe_of(optimizer: dict) -> dict | None:
    """The options of a `config.Recipe`, by their names; None where no recipe says what trains the model.

    Args:
      optimizer: as a handle's `compiled` tells of it: {"class_name", "config"}.

    >>> recipe_of({"class_name": "Adam", "config": {"learning_rate": 0.01, "weight_decay": None}})
    {'optimizer': 'adam', 'learning_rate': 0.01, 'schedule': 'constant', 'weight_decay': 0.0}
    """
    settings = optimizer.get("config", {}) if isinstance(optimizer, dict) else {}
    if "inner_optimizer" in settings:  # below loss scaling
        return recipe_of(settings["inner_optimizer"])
    name, rate = _NAMES.get(optimizer.get("class_name")) if settings else None, _rate(settings)
    if name is None or rate is None or settings.get("momentum") != _MOMENTUM.get(name):
        return None
    name = "nesterov" if settings.get("nesterov") else name
    return {"optimizer": name, **rate, "weight_decay": settings.get("weight_decay") or 0.0}


def _rate(settings):
    """The learning rate and its schedule; None for a schedule that recipes do not have."""
    rate = settings.get("learning_rate")
    if isinstance(rate, float):
        return {"learning_rate": _decimal(rate), "schedule": "constant"}
    if not isinstance(rate, dict) or rate.get("class_name") != "CosineDecay":
        return None
    cosine = rate["config"]
    rising = cosine.get("warmup_steps") if cosine.get("warmup_target") else 0
    return {
        "learning_rate": _decimal(cosine["warmup_target"] if rising else cosine["initial_learning_rate"]),
        "schedule": "cosine",
        **({"warmup": round(rising / (rising + cosine["decay_steps"]), 4)} if rising else {}),
    }


def _decimal(number):
    """The shortest number that float32 takes for the same."""
    return float(f"{number:.7g}")

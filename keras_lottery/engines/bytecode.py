"""What the config of a Lambda layer says of its function's code, the same whenever it is told."""

import base64
import marshal


def canonical(text: str) -> str:
    """The base64 text of marshalled code, without marks that depend on how often parts of it are referred to.

    Since version 3 of its format, marshal marks what something else refers to as well, so the same code gives other
    bytes at another moment; version 2 has no such marks. Nothing of the code is run.

    >>> first, again = (base64.b64encode(marshal.dumps(compile("1", "", "eval"), version)) for version in (2, 4))
    >>> first == again, canonical(first) == canonical(again)
    (False, True)
    """
    return base64.b64encode(marshal.dumps(marshal.loads(base64.b64decode(text)), 2)).decode()


def with_canonical_code(config):
    """A layer's or model's config with the code of each Lambda layer's function in its canonical form."""
    if isinstance(config, list):
        return [with_canonical_code(item) for item in config]
    if not isinstance(config, dict):
        return config
    told = {name: with_canonical_code(value) for name, value in config.items()}
    if told.get("class_name") == "__lambda__":  # Keras 3
        told["config"] = {**told["config"], "code": canonical(told["config"]["code"])}
    elif told.get("function_type") == "lambda" and isinstance(told.get("function"), list):  # tf_keras
        told["function"] = [canonical(told["function"][0]), *told["function"][1:]]
    return told

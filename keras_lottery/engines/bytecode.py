"""What the config of a Lambda layer says of its function's code, the same whenever it is told."""

import base64
import marshal


def canonical(text: str) -> str:
    """The base64 text of marshalled code, without marks that depend on how often parts of it are referred to.

    Since version 3 of its format, marshal marks what something else refers to as well, so the same code gives
    other bytes at another moment; version 2 has no such marks. Nothing of the code is run.

    >>> code = compile("1", "", "eval")
    >>> first, again = (base64.b64encode(marshal.dumps(code, version)) for version in (2, 4))
    >>> first == again, canonical(first) == canonical(again)
    (False, True)
    """
    return base64.b64encode(marshal.dumps(marshal.loads(base64.b64decode(text)), 2)).decode()


def with_canonical_code(config):
    """The config of a model in memory, or of a layer, with the code of each Lambda's function in its
    canonical form."""
    if isinstance(config, list):
        return [with_canonical_code(item) for item in config]
    if not isinstance(config, dict):
        return config
    told = {name: with_canonical_code(value) for name, value in config.items()}
    function = told["config"].get("function") if told.get("class_name") == "Lambda" else None
    if isinstance(function, dict) and function.get("class_name") == "__lambda__":  # Keras 3
        code = {**function["config"], "code": canonical(function["config"]["code"])}
        told["config"] = {**told["config"], "function": {**function, "config": code}}
    elif isinstance(function, list) and told["config"].get("function_type") == "lambda":  # tf_keras
        told["config"] = {**told["config"], "function": [canonical(function[0]), *function[1:]]}
    return told

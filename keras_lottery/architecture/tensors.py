"""Nested JSON values that hold tensors."""


def is_tensor(value):
    """Whether this is [layer, number of its call, number of its output], in tf_keras followed by other
    arguments."""
    return (
        isinstance(value, (list, tuple))
        and 2 < len(value) < 5
        and isinstance(value[0], str)
        and type(value[1]) is int
    )


def map_tensors(value, change):
    if is_tensor(value):
        return change(value)
    if isinstance(value, dict):
        return {key: map_tensors(item, change) for key, item in value.items()}
    return [map_tensors(item, change) for item in value] if isinstance(value, list) else value


def is_none(value):
    values = value.values() if isinstance(value, dict) else value
    return value is None or (isinstance(value, (dict, list)) and all(map(is_none, values)))


def is_plain(value):
    inside = isinstance(value, list) and all(map(is_plain, value))
    return inside or is_tensor(value) or value is None or isinstance(value, bool)


def has_tensors(value):
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return is_tensor(value) or any(map(has_tensors, values))

"""Why the file at an address cannot be had, in a few words instead of a client's chain of errors."""

import http
import os
import socket
import ssl

_NO_ANSWER = "there was no answer in time"
_KNOWN = {  # errors, by their classes, or their classes' names where a client has its own
    socket.gaierror: "its host is not known, or there is no network",
    ConnectionRefusedError: "its host is there, and nothing answers (connection refused)",
    ssl.SSLError: "its certificate is not trusted",
    TimeoutError: _NO_ANSWER,
    "Timeout": _NO_ANSWER,
    "ProxyError": "the proxy does not let it through",
}


def reason(error: BaseException) -> str:
    """What the errors that led to `error`, of whatever client of the web, come to.

    >>> try:
    ...     raise RuntimeError("Max retries exceeded") from ConnectionRefusedError(111, "Connection refused")
    ... except RuntimeError as error:
    ...     reason(error)
    'its host is there, and nothing answers (connection refused)'
    """
    chain = _led_to(error)
    for known, words in _KNOWN.items():
        if any(_is(one, known) for one in chain):
            return words
    for one in chain:
        status = getattr(getattr(one, "response", None), "status_code", None)
        if status in list(http.HTTPStatus):
            return f"the answer is {status} {http.HTTPStatus(status).phrase}"
    numbers = [one.errno for one in chain if isinstance(one, OSError) and isinstance(one.errno, int)]
    return os.strerror(numbers[-1]) if numbers else " ".join(str(error).split())[:200].rstrip(".")


def _is(error, known):
    return known in type(error).__name__ if isinstance(known, str) else isinstance(error, known)


def _led_to(error):
    """The error, and those that it was raised from or holds, the first cause last."""
    found, ahead = [], [error]
    while ahead:
        one = ahead.pop()
        if isinstance(one, BaseException) and not any(one is other for other in found):
            found.append(one)
            ahead += [*one.args, getattr(one, "reason", None), one.__context__, one.__cause__]
    return found

"""Processes that train, each with its share of the cores. Imports nothing heavy: thread pools are made when
TensorFlow is."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import threading


def pool(jobs, of=None):
    """A ProcessPoolExecutor of `jobs` processes, each with one `of`-th (default: one `jobs`-th) of the cores.

    A process ends when its parent ends, however that ends, and when the user presses Ctrl-C.
    """
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(jobs, context, _settle, (context.Value("i", 0), of or jobs))


@contextlib.contextmanager
def ended_with_this_block():
    """If the block is left by an error or a signal, end the processes of all pools rather than wait for what
    they do."""
    try:
        yield
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise


def _settle(turn, of):
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    with turn.get_lock():
        number, turn.value = turn.value, turn.value + 1
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[number % of :: of] or [cores[number % len(cores)]])
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()

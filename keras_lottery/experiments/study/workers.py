"""Running tasks that wait for each other: on processes of this machine, or on a Ray cluster."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import os
import time
import traceback
from pathlib import Path

import filelock

from ...core import files
from ...core.durations import duration
from ...core.errors import Failed, LotteryError
from ...core.processes import ended_with_this_block, pool
from ...training import run_folder

LOCK = ".lock"
LOG = ".log.txt"  # in the folder of a task
RETRIES = 3  # of a task whose process died without having got on; Ray keeps its own count


def run(tasks, folder, *, jobs=1, ray_address=None, tell=print):
    """Run the tasks that have no result yet; each as soon as those it needs are done.

    Args:
      tasks: a list of `Task`.
      folder: the study's; runs/NAME in it is a task's folder.
      jobs: processes of this machine, among which the processor's cores are shared out.
      ray_address: of a Ray cluster, which does the scheduling and the retries instead; this
        working folder and the study's must then be on a file system that all its nodes share.
      tell: is called with a line about each task that ends.

    Returns:
      {name: why} of the tasks that failed, or that need one that did.
    """
    waiting = {task.name: task for task in tasks if not is_done(folder, task.name)}
    names = {task.name for task in tasks}
    done, failed, running = names - waiting.keys(), {}, {}
    begun, trained = time.monotonic(), 0
    deaths = collections.defaultdict(list)  # {name: how far it was each time}
    with _ray(ray_address) if ray_address else _processes(min(jobs, max(1, len(waiting)))) as submit:
        while waiting or running:
            for name, task in list(waiting.items()):
                lost = [need for need in task.needs if need in failed or need not in names]
                if lost:
                    failed[name] = f"it needs {lost[0]}, which failed or is no task of this study"
                elif done.issuperset(task.needs):
                    running[submit(task, folder)] = task
                else:
                    continue
                del waiting[name]
            if not running:
                continue
            ended, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in ended:
                task = running.pop(future)
                try:
                    future.result()
                except concurrent.futures.BrokenExecutor:
                    reached = deaths[task.name]
                    reached.append(_state(task_folder(folder, task.name)))
                    if reached.count(reached[-1]) <= RETRIES:
                        waiting[task.name] = task
                        continue
                    failed[task.name] = (
                        f"its process died {RETRIES + 1} times at the same place: is there memory enough?"
                    )
                except Exception as error:  # of one run: the others go on
                    error = getattr(error, "cause", None) or error  # under what Ray makes of it
                    failed[task.name] = (
                        f"{'' if isinstance(error, LotteryError) else type(error).__name__ + ': '}{error}"
                    )
                else:
                    done.add(task.name)
                trained += task.steps
                left = sum(of.steps for of in (*waiting.values(), *running.values()))
                rest = f"; about {duration((time.monotonic() - begun) * left / trained)} left" if left else ""
                came = failed.get(task.name) or _figure(folder, task.name)
                tell(f"[{len(done) + len(failed)}/{len(tasks)}] {task.label}: {came}{rest}")
    return failed


def _figure(folder, name):
    """What came of a task: the test accuracy of its last training."""
    last = run_folder.read_result(task_folder(folder, name))["rows"][-1]
    accuracy = last.get("test_accuracy")
    return last.get("outcome", "done") if accuracy is None else f"{accuracy:.2%} right in test"


def is_done(folder, name):
    """Whether a task has its result."""
    return (task_folder(folder, name) / run_folder.RESULT).is_file()


def task_folder(folder, name):
    return Path(folder) / "runs" / name


def perform(task, folder):
    """Do one task, unless it is done; what it prints goes to a log in its folder.

    A lock that a dead process loses keeps two from doing the same one.
    """
    from .. import jobs, machine

    here = task_folder(folder, task.name)
    files.check_writable(here)
    here.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(here / LOCK):
        if is_done(folder, task.name):
            return
        with open(here / LOG, "a") as log, contextlib.redirect_stdout(log), _told(log):
            arguments = dict(task.arguments)
            if "control" in arguments:
                arguments["control"] = _placed(arguments["control"], here.parent)
            try:
                jobs.perform(task.kind, arguments, here)
            except Failed:
                if not is_done(folder, task.name):  # else its rows say so
                    raise
    machine.engine(task.arguments["machine"].backend).keras.backend.clear_session()


def _placed(control, runs):
    """A Control whose tickets are in the folder of the study's runs."""
    ticket = None if control.ticket is None else str(runs / control.ticket)
    return dataclasses.replace(control, ticket=ticket, dense=str(runs / control.dense))


@contextlib.contextmanager
def _told(log):
    """What goes wrong in the block goes to the log in full."""
    try:
        yield
    except Exception:
        traceback.print_exc(file=log)
        raise


def _state(here):
    """What tells whether a task got on: its files, but for the log."""
    return sorted(
        (str(path), path.stat().st_mtime_ns) for path in here.rglob("*") if path.name not in (LOG, LOCK)
    )


def _from(here, task, folder):
    """`perform`, with paths that start at the folder `here`."""
    os.chdir(here)
    perform(task, folder)


@contextlib.contextmanager
def _processes(jobs):
    """submit(task, folder) -> Future, on `jobs` processes; those that die are replaced."""
    held = [pool(jobs)]

    def submit(*given):
        try:
            return held[0].submit(perform, *given)
        except concurrent.futures.BrokenExecutor:  # one of its processes was killed, so it ended the others
            held[0] = pool(jobs)
            return held[0].submit(perform, *given)

    try:
        with ended_with_this_block():
            yield submit
    finally:
        held[0].shutdown(cancel_futures=True)


@contextlib.contextmanager
def _ray(address):
    try:
        import ray
    except ImportError as error:
        raise LotteryError("ray_address needs Ray: pip install 'keras_lottery[cluster]'.") from error
    ray.init(address=address, log_to_driver=False, runtime_env={"env_vars": {"TF_NUM_INTRAOP_THREADS": "1"}})
    remote, here = ray.remote(num_cpus=1, max_retries=-1)(_from), os.getcwd()
    try:
        yield lambda task, folder: remote.remote(here, task, folder).future()
    finally:
        ray.shutdown()

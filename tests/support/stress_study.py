"""Kill -9 a study, its workers, or Ray's, at random moments: `python tests/support/stress_study.py
[both|study|worker|ray] [kills] [seed]`.

A small study on digits and a folder of images. However often it is killed, it must end with the rows of one
that was not, and no run that had its result may be done again. tests/experiments/test_study.py does the same
with fewer kills. "ray" needs Ray (the extra cluster) and starts a cluster of two nodes on this machine.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    "--source=digits",
    "--targets=./images",
    "--image_size=8",
    "--channels=1",
    "--train_split=train[:60%]",
    "--model=lenet",
    "--width=0.1",
    "--sparsities=0.5,0.8",
    "--rate=0.6",
    "--rewinds=2,lr",
    "--controls=random@0.8,dense-scratch,gradual@0.8",
    "--seeds=3",
    "--epochs=2",
    "--target_steps=6",
    "--batch_size=32",
    "--optimizer=adam",
    "--learning_rate=0.01",
    "--precision=float32",
    "--backend=tf_keras",
)
WRITTEN = ("rows.jsonl", "tickets.jsonl", "rows.csv", "tables.md")


def make_images(folder):
    """folder/images: three classes that differ in brightness, training and test."""
    import tf_keras

    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("test", 20)):
        for n, name in enumerate("abc"):
            place = Path(folder) / "images" / part / name
            place.mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(60 * n, 60 * n + 120, (8, 8, 1))
                tf_keras.utils.save_img(place / f"{i}.png", pixels, scale=False)


def start(folder, run_dir, *flags):
    """The study as a process."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "apps.study", *FLAGS, f"--run_dir={run_dir}", *flags]
    with open(Path(folder) / "output.txt", "a") as output:
        return subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=output)


def finish(process, folder):
    """Raises RuntimeError, with what was printed, unless the process ends well."""
    if process.wait(timeout=600):
        raise RuntimeError((Path(folder) / "output.txt").read_text()[-3000:])


def written(run_dir):
    """What a study writes of its runs."""
    return {name: (Path(run_dir) / name).read_bytes() for name in WRITTEN}


def results(run_dir):
    """{result file: what changes if it is written again}."""
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in Path(run_dir).glob("runs/*/result.json")
    }


def workers_of(process):
    """The processes that train."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [
            child
            for child in psutil.Process(process.pid).children()
            if "resource_tracker" not in " ".join(child.cmdline())
        ]
    return []


def workers_of_ray():
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.cmdline()[:1] == ["ray::_from"]:
                found.append(process)
    return found


def stress(folder, run_dir, what, kills, draw, *flags):
    """Run the study to its end with `kills` kills; (kills done, results that were written again)."""
    killed, seen, again = 0, {}, set()

    def look():
        now = results(run_dir)
        again.update(path for path, before in seen.items() if now.get(path) != before)
        seen.update(now)

    process = start(folder, run_dir, *flags)
    while killed < kills and process.poll() is None:
        time.sleep(draw.uniform(0.5, 6))
        look()
        victim = ("study", "worker")[killed % 2] if what == "both" else what
        left = workers_of_ray() if victim == "ray" else workers_of(process)
        if not left:
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            (psutil.Process(process.pid) if victim == "study" else draw.choice(left)).send_signal(
                signal.SIGKILL
            )
            killed += 1
        if victim == "study":
            process.wait()
            _, alive = psutil.wait_procs(left, timeout=20)
            if alive:
                raise RuntimeError(f"workers outlived their study: {alive}")
            process = start(folder, run_dir, *flags)
    finish(process, folder)
    look()
    return killed, again


@contextlib.contextmanager
def two_nodes():
    """A Ray cluster of two nodes with one processor each; its address."""
    os.environ["PYTHONPATH"] = str(ROOT)  # of the workers, which on a real cluster have the package installed
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


def main(what="both", kills="10", seed=None):
    seed = int(seed or time.time())
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        folder = Path(folder)
        make_images(folder)
        flags = [f"--ray_address={stack.enter_context(two_nodes())}"] if what == "ray" else ["--jobs=2"]
        finish(start(folder, folder / "whole", "--jobs=2"), folder)
        killed, again = stress(folder, folder / "run", what, int(kills), random.Random(seed), *flags)
        same = written(folder / "run") == written(folder / "whole")
        print(
            f"{what}: {killed} kills, {len(results(folder / 'run'))} runs, {len(again)} of them done again, "
            f"{'the same rows and tables' if same else 'OTHER ROWS'} as undisturbed"
        )
        sys.exit(not same or bool(again))


if __name__ == "__main__":
    main(*sys.argv[1:])

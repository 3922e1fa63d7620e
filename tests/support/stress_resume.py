"""Kill -9 at random moments, start again, compare.

    python tests/support/stress_resume.py [kills] [seed]

A search and a transfer, each with controls, on digits with a net that has BatchNorm and Dropout, run in
processes of their own. Half of the kills come just before a random file operation below the run folder, or
amid a write; the others at a random time. After each finished run every file must be, byte for byte, what
an undisturbed run has written. tests/training/test_resume.py does the same with fewer kills.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from world import BACKEND, WORLD, keras

ROOT = Path(__file__).resolve().parents[2]
RECIPE = dict(optimizer="adam", learning_rate=0.01, schedule="cosine", weight_decay=1e-4)
COMMON = dict(recipe=RECIPE, seed=1, precision="mixed_bfloat16", strategy="none", backend=WORLD, verbose=0)
DATA = dict(name="digits", batch_size=64, augment=True, train_split="train[:40%]")


def search(run_dir):
    import by_name

    by_name.find(
        dataset={**DATA, "classes": [0, 1, 2, 3, 4]},
        model="net.keras",
        epochs=3,
        rounds=2,
        final_sparsity=0.8,
        rewind=9,
        compare_at=[0.8],
        run_dir=run_dir,
        **COMMON,
    )


def transfer(run_dir, ticket="source/round_02", controls=("random", "dense-scratch")):
    import by_name

    by_name.transfer(
        ticket=ticket,
        dataset={**DATA, "classes": [5, 6, 7, 8, 9]},
        epochs=4,
        controls=list(controls),
        run_dir=run_dir,
        **COMMON,
    )


def both(run_dir):
    search(f"{run_dir}/find")
    transfer(f"{run_dir}/transfer", f"{run_dir}/find/round_02", ["random"])


def arrays(run_dir):
    """find_ticket without a command, of the Keras that tests/support/world.py says."""
    import small

    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    model = small.compiled(
        keras.saving.load_model("net.keras"), keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)
    )
    rng = np.random.default_rng(0)
    data = rng.normal(size=(96, 8, 8, 1)).astype("float32"), np.arange(96) % 5
    small.search(model, data, run_dir=run_dir, epochs=3, rounds=2, rewind=4)


# The working directory has net.keras, and source for transfer.
JOBS = {"search": search, "transfer": transfer, "both": both, "arrays": arrays}


def child(kind, run_dir, kill_at, amid):
    """Run the job; die by SIGKILL before file operation number `kill_at`, or halfway through that write.
    Print how many there were."""
    count = 0

    def watch(event, arguments):
        nonlocal count
        if event not in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir") or not str(
            arguments[0]
        ).startswith(run_dir):
            return
        if event == "open" and "w" not in str(arguments[1]):
            return
        count += 1
        if count == kill_at:
            if amid and event == "os.rename" and os.path.isfile(arguments[0]):
                os.truncate(arguments[0], os.path.getsize(arguments[0]) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    JOBS[kind](run_dir)
    print(f"operations {count}")


def start(kind, run_dir, cwd, kill_at=0, amid=False):
    env = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/support'}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    command = [sys.executable, __file__, "child", kind, run_dir, str(kill_at), str(int(amid))]
    return subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process):
    out, err = process.communicate(timeout=600)
    if process.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(err[-3000:])
    return process.returncode == 0, out


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def save_net(cwd):
    code = "from small import conv, keras; keras.utils.set_random_seed(0); conv().save('net.keras')"
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/support'}", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", code], cwd=cwd, check=True, env=env, stderr=subprocess.DEVNULL)


def undisturbed(cwd, kind, keep):
    """Run the job to its end, move its folder to `keep`; (its files, file operations, seconds)."""
    began = time.monotonic()
    done, out = finish(start(kind, "run", cwd))
    assert done
    found = files(cwd / "run"), int(out.split()[-1]), time.monotonic() - began
    os.rename(cwd / "run", cwd / keep)
    return found


def stress(cwd, kind, reference, operations, seconds, kills, draw, say=print):
    """Kill `kills` times in all; each run that ends must have written what `reference` holds."""
    killed = runs = 0
    while killed < kills or (cwd / "run").exists():
        if killed >= kills:
            how, process = "to its end", start(kind, "run", cwd)
        elif killed % 2 == 0:
            at, amid = draw.randint(1, operations), draw.random() < 0.5
            how, process = (
                f"file operation {at} of {operations}{', amid' if amid else ''}",
                start(kind, "run", cwd, at, amid),
            )
        else:
            at = draw.uniform(0.3, 1) * seconds
            how, process = f"after {at:.1f} of {seconds:.1f} s", start(kind, "run", cwd)
            try:
                process.wait(at)
            except subprocess.TimeoutExpired:
                process.kill()
        done, _ = finish(process)
        killed += not done
        left = sorted(path.name for path in (cwd / "run").rglob("*")) if (cwd / "run").exists() else []
        say(
            f"{kind}: {how}: "
            f"{'finished' if done else f'killed ({killed}); in the folder: ' + ' '.join(left[:9])[:100]}",
            flush=True,
        )
        if done:
            now = files(cwd / "run")
            assert now.keys() == reference.keys(), now.keys() ^ reference.keys()
            wrong = [name for name in now if now[name] != reference[name]]
            assert not wrong, wrong
            say(f"{kind}: all {len(now)} files are byte for byte those of an undisturbed run", flush=True)
            runs += 1
            subprocess.run(["rm", "-r", str(cwd / "run")], check=True)
    return killed, runs


def main(kills=10, seed=None):
    seed = int(time.time()) if seed is None else seed
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as cwd:
        cwd = Path(cwd)
        save_net(cwd)
        for kind, keep in (("search", "source"), ("transfer", "carried")):
            killed, runs = stress(cwd, kind, *undisturbed(cwd, kind, keep), kills, draw)
            print(f"== {kind}: {killed} kills, {runs} finished runs, all equal (seed {seed})", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5] == "1")
    else:
        main(*map(int, sys.argv[1:]))

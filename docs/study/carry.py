"""Carry a study on to another machine: the results of its finished runs, without their weights.

    python docs/study/carry.py runs/resnet18 kept/resnet18
    python docs/study/carry.py kept/resnet18 runs/resnet18

The first command keeps what is finished, the second brings it back where the run folder is lost; what is
there already stays. `lottery-study` does not run again what has its result. The tickets themselves are not
carried, so do it when `lottery-study` has ended, with no run of a seed left that needs its tickets.
"""

import sys
from pathlib import Path

from keras_lottery.core import files


def main(source, destination):
    found = [Path(source, "study.json"), *sorted(Path(source).glob("runs/*/result.json"))]
    for file in found:
        there = Path(destination) / file.relative_to(source)
        if not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            with files.new_file(there) as aside:
                aside.write_bytes(file.read_bytes())
    print(f"{len(found) - 1} finished runs in {destination}")


if __name__ == "__main__":
    main(*sys.argv[1:])

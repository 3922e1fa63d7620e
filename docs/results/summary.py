"""Put the shipped tickets between README's markers.

python docs/results/summary.py
"""

from pathlib import Path

from keras_lottery import load_ticket
from keras_lottery.experiments.report.between import put

ROOT = Path(__file__).parents[2]


def shipped():
    lines = ["| ticket | zeros | surviving weights | folder, kB |", "|---|---|---|---|"]
    for folder in sorted((ROOT / "saved_models").glob("*/ticket.json")):
        ticket, size = (
            load_ticket(folder.parent),
            sum(file.stat().st_size for file in folder.parent.iterdir()),
        )
        kept = sum(int(mask.sum()) for mask in ticket.masks.values())
        lines.append(f"| {folder.parent.name} | {ticket.sparsity:.1%} | {kept:,} | {size / 1000:.0f} |")
    return lines


def main():
    put(ROOT / "README.md", "saved", shipped())


if __name__ == "__main__":
    main()

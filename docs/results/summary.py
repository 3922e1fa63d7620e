"""Put the shipped tickets and their files on a phone between README's markers.

    python docs/results/summary.py
"""

import json
import re
from pathlib import Path

from keras_lottery import load_ticket

ROOT = Path(__file__).parents[2]


def shipped():
    lines = ["| ticket | zeros | surviving weights | folder, kB |", "|---|---|---|---|"]
    for folder in sorted((ROOT / "saved_models").glob("*/ticket.json")):
        ticket, size = load_ticket(folder.parent), sum(file.stat().st_size for file in folder.parent.iterdir())
        kept = sum(int(mask.sum()) for mask in ticket.masks.values())
        lines.append(f"| {folder.parent.name} | {ticket.sparsity:.1%} | {kept:,} | {size / 1000:.0f} |")
    return "\n".join(lines)


def phone():
    lines = ["| ticket | dense .tflite, kB | sparse, kB | latency, sparse / dense |", "|---|---|---|---|"]
    for row in json.loads((ROOT / "benchmarks" / "results" / "latency.json").read_text()):
        dense, sparse = (row["bytes"][name] / 1000 for name in ("dense", "sparse"))
        lines.append(f"| {row['ticket']} | {dense:,.0f} | {sparse:,.0f} | {row['latency sparse / dense']:.2f} "
                     f"({min(row['blocks']):.2f} to {max(row['blocks']):.2f}) |")
    return "\n".join(lines)


def main():
    readme = (ROOT / "README.md").read_text()
    for name, text in (("saved", shipped()), ("phone", phone())):
        readme = re.sub(rf"<!-- {name} -->.*?<!-- /{name} -->", f"<!-- {name} -->\n{text}\n<!-- /{name} -->", readme, flags=re.S)
    (ROOT / "README.md").write_text(readme)


if __name__ == "__main__":
    main()

"""Put the main figures of rows.jsonl, the shipped tickets and their files on a phone, between README's markers.

    python docs/results/summary.py
"""

import json
import re
from pathlib import Path

from keras_lottery import load_ticket
from keras_lottery.report import by_setting
from keras_lottery.stats import estimate

ROOT = Path(__file__).parents[2]
ARMS = [("dense-scratch", None, "dense"), ("ticket", 0.9, "ticket, 90% zeros"), ("random", 0.9, "random mask, 90%"),
        ("ticket", 0.95, "ticket, 95%"), ("random", 0.95, "random mask, 95%")]


def figure(rows, arm, sparsity):
    chosen = [row for row in rows if row["arm"] in ((arm, "dense") if arm == "dense-scratch" else (arm,))
              and (sparsity is None or abs(row["ticket_sparsity"] - sparsity) < 0.01)]
    values = {row["seed"]: 100 * row["test_accuracy"] for row in chosen}
    if not values:
        return ""
    made = estimate(values.values())
    return f"{made.mean:.2f} ± {made.half:.2f}" if made.n > 1 else f"{made.mean:.2f}"


def results(rows):
    lines = ["| | " + " | ".join(label for _, _, label in ARMS) + " |", "|---|" + "---|" * len(ARMS)]
    most = {}  # of several budgets on one target, the one with the most images
    for alike in by_setting(rows):
        first = alike[0]
        key = (first["model"], first["source"] != first["target"], first["target"])
        most[key] = max(most.get(key, alike), alike, key=lambda group: (group[0]["train_images"], group[0]["epochs"]))
    for _, alike in sorted(most.items()):
        first = alike[0]
        name = f"{first['model']}, found on {first['source']}"
        if first["source"] != first["target"]:
            name = f"{first['model']}, carried to {first['target']}"
        lines.append(f"| {name} | " + " | ".join(figure(alike, arm, at) for arm, at, _ in ARMS) + " |")
    return "\n".join(lines)


def shipped():
    lines = ["| ticket | zeros | surviving weights | folder, kB |", "|---|---|---|---|"]
    for folder in sorted((ROOT / "saved_models").glob("*/ticket.json")):
        ticket, size = load_ticket(folder.parent), sum(file.stat().st_size for file in folder.parent.iterdir())
        kept = sum(int(mask.sum()) for mask in ticket.masks.values())
        lines.append(f"| saved_models/{folder.parent.name} | {ticket.sparsity:.1%} | {kept:,} | {size / 1000:.0f} |")
    return "\n".join(lines)


def phone():
    lines = ["| ticket | dense .tflite, kB | sparse, kB | latency, sparse / dense |", "|---|---|---|---|"]
    for row in json.loads((ROOT / "benchmarks" / "results" / "latency.json").read_text()):
        dense, sparse = (row["bytes"][name] / 1000 for name in ("dense", "sparse"))
        lines.append(f"| {row['ticket']} | {dense:,.0f} | {sparse:,.0f} | {row['latency sparse / dense']:.2f} "
                     f"({min(row['blocks']):.2f} to {max(row['blocks']):.2f}) |")
    return "\n".join(lines)


def main():
    rows = [json.loads(line) for line in (Path(__file__).parent / "rows.jsonl").read_text().splitlines()]
    readme = (ROOT / "README.md").read_text()
    for name, text in (("results", results(rows)), ("saved", shipped()), ("phone", phone())):
        readme = re.sub(rf"<!-- {name} -->.*?<!-- /{name} -->", f"<!-- {name} -->\n{text}\n<!-- /{name} -->", readme, flags=re.S)
    (ROOT / "README.md").write_text(readme)


if __name__ == "__main__":
    main()

"""Write the tables of docs/phone/README.md and README.md's table of files from rows.jsonl.

    python docs/phone/summary.py
"""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent


def good(part):
    return [variant for variant in part["variants"] if variant["problem"] is None]


def best(part, column):
    return min(good(part), key=lambda variant: variant[column])


def sizes(rows):
    yield "| ticket | zeros | dense float32, kB | best file, kB | | best download, kB | | points lost |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        dense = row["whole"]["variants"][0]["bytes"]
        small, sent = best(row["whole"], "bytes"), best(row["whole"], "zstd")
        lost = 100 * (row["whole"]["test"]["keras"] - row["whole"]["test"]["file"])
        yield (f"| {row['ticket']} | {row['sparsity']:.1%} | {dense / 1000:,.0f} | {small['bytes'] / 1000:.0f}: **{dense / small['bytes']:.1f} x smaller** | "
               f"{small['name']} | {sent['zstd'] / 1000:.0f}: {dense / sent['zstd']:.1f} x | {sent['name']} | {lost:.2f} |")


def speed(rows):
    kinds = ["whole float32-dense", "whole float32-sparse", "whole int8-weights-sparse", "whole int8-dense", "compact int8-dense"]
    yield "| ticket, instructions in millions | dense float32 | sparse float32 | sparse int8-weights | dense int8 | compacted, dense int8 |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        yield f"| {row['ticket']} | " + " | ".join(_number(row["instructions"].get(kind)) for kind in kinds) + " |"


def _number(instructions):
    return "–" if instructions is None else f"{instructions / 1e6:.2f}"


def every(rows):
    for row in rows:
        yield from ["", f"### {row['ticket']}", "", "| variant | bytes | gzip | zstd | load, ms | latency | error | accuracy, % | |", "|---|---|---|---|---|---|---|---|---|"]
        for v in row["whole"]["variants"]:
            shown = [v["bytes"], v["gzip"], v["zstd"]]
            yield (f"| {v['name']} | " + " | ".join("–" if number is None else f"{number:,}" for number in shown)
                   + f" | {_text(v['load_ms'], '.1f')} | {_text(v['latency'], '.2f')} | {_text(v['relative_difference'], '.0e')}"
                   + f" | {'–' if v['accuracy'] is None else format(100 * v['accuracy'], '.2f')} | {v['problem'] or ''} |")


def _text(number, form):
    return "–" if number is None else format(number, form)


def put(path, name, lines):
    text = f"<!-- {name} -->\n" + "\n".join(lines) + f"\n<!-- /{name} -->"
    path.write_text(re.sub(f"<!-- {name} -->.*?<!-- /{name} -->", lambda _: text, path.read_text(), flags=re.S))


def main():
    rows = [json.loads(line) for line in (HERE / "rows.jsonl").read_text().splitlines()]
    put(HERE / "README.md", "tables", [*sizes(rows), "", *speed(rows)])
    put(HERE / "variants.md", "variants", every(rows))
    put(HERE.parents[1] / "README.md", "phone", sizes(rows))


if __name__ == "__main__":
    main()

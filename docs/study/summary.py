"""Put the study's verdicts between README's markers.

    python docs/study/summary.py
"""

import re
from pathlib import Path

from keras_lottery import report
from keras_lottery.report.tables import cells
from keras_lottery.stats import estimate, paired, verdicts

HERE = Path(__file__).parent
AT = (0.9, 0.95)


def main():
    groups = {alike[0]["target"]: cells(alike) for alike in report.by_setting(report.read(HERE / "rows.jsonl"))}
    dense = {target: found.get((0.0, "dense-scratch")) or found[0.0, "dense"] for target, found in groups.items()}
    pairs = [(target, at, {"dense": dense[target], "random": found[at, "random"]}) for target, found in groups.items() for at in AT]
    told = {base: verdicts({(target, at): paired(groups[target][at, "ticket"], others[base]) for target, at, others in pairs})
            for base in ("dense", "random")}
    lines = ["| | zeros | dense | ticket | ticket minus dense | ticket minus random mask |", "|---|---|---|---|---|---|"]
    for target, at, _ in pairs:
        means = [estimate(values.values()).mean for values in (dense[target], groups[target][at, "ticket"])]
        verdict = [told[base][target, at] for base in ("dense", "random")]
        said = [f"{v.estimate.mean:+.2f} ± {v.estimate.half:.2f}: {v.plain}" + ("" if v.corrected == v.plain else f" (corrected: {v.corrected})")
                for v in verdict]
        lines.append(f"| {target} | {at:.0%} | {means[0]:.2f} | {means[1]:.2f} | {said[0]} | {said[1]} |")
    readme = HERE.parents[1] / "README.md"
    text = "<!-- study -->\n" + "\n".join(lines) + "\n<!-- /study -->"
    readme.write_text(re.sub(r"<!-- study -->.*?<!-- /study -->", lambda _: text, readme.read_text(), flags=re.S))


if __name__ == "__main__":
    main()

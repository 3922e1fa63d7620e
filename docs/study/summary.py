"""Put the primary comparisons of the study's plan between README's marks.

lottery-report --rows=runs/resnet18/full/rows.jsonl,... --primary=docs/study/plan.json --output=docs/study
python docs/study/summary.py
"""

from pathlib import Path

from keras_lottery.experiments import report
from keras_lottery.experiments.report.between import put

HERE = Path(__file__).parent


def main(rows=HERE / "rows.jsonl", readme=HERE.parents[1] / "README.md"):
    primary, *_ = report.tables(report.read(rows), family=report.read_family(HERE / "plan.json"))
    _title, _, *lines = report.markdown(primary).splitlines()
    put(readme, "study", lines)


if __name__ == "__main__":
    main()

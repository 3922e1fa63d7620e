"""Put finished runs side by side: means over seeds with intervals, and curves, as Markdown and PNG.

Example:
  lottery-report --results=runs/a-0/result.json,runs/a-1/result.json,runs/a-2/result.json --output=docs/results
  lottery-report --rows=docs/results/rows.jsonl --output=docs/results   # the same again, from the rows it wrote
"""

from absl import flags

from apps import flags as shared
from apps.flags import FLAGS, run_command

flags.DEFINE_list("results", [], "result.json files of finished runs")
flags.DEFINE_string("rows", None, "rows.jsonl of an earlier report, to which the results are added")
flags.DEFINE_string("output", "report", "folder for rows.jsonl, tables.md and curves.png")
flags.adopt_module_key_flags(shared)


def main():
    from keras_lottery import report

    rows = report.write(FLAGS.results, FLAGS.rows, FLAGS.output)
    print(f"{rows} rows: tables in {FLAGS.output}/tables.md, curves in {FLAGS.output}/curves.png")


def run():
    run_command("lottery-report", main)


if __name__ == "__main__":
    run()

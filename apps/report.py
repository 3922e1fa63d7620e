"""Put finished runs side by side: means over seeds, intervals, verdicts and plots, as Markdown, CSV, PNG and
one HTML page.

Example:
  lottery-report --results=runs/a-0/result.json,runs/a-1/result.json,runs/a-2/result.json --output=report
  lottery-report --rows=report/rows.jsonl --output=report    # the same again, from the rows it wrote
  lottery-report --rows=runs/resnet18/rows.jsonl,runs/vgg19/rows.jsonl --primary=primary.json
  lottery-report --tickets=runs/a-0/round_09,runs/a-1/round_09    # zeros by layer, and how much they overlap
"""

from pathlib import Path

from absl import flags

from . import flags as shared
from .flags import FLAGS, run_command

flags.DEFINE_list("results", [], "result.json files of finished runs")
flags.DEFINE_list(
    "rows", [], "rows.jsonl files of earlier reports or studies, to which the results are added"
)
flags.DEFINE_string(
    "primary",
    None,
    "JSON file of the comparisons that a plan names beforehand: pooled over nets, corrected together, all "
    "else marked exploratory (default: primary.json beside the first rows.jsonl, if it is there)",
)
flags.DEFINE_list("tickets", [], "tickets of one net, to print what they are made of and how much they share")
flags.DEFINE_string("output", "report", "folder for rows.jsonl, rows.csv, tables.md, page.html and the plots")
flags.adopt_module_key_flags(shared)


def main():
    from keras_lottery.experiments import report

    if FLAGS.tickets:
        report.show_tickets(FLAGS.tickets)
        if not (FLAGS.rows or FLAGS.results):
            return
    rows = [*(row for path in FLAGS.rows for row in report.read(path)), *report.collect(FLAGS.results)]
    beside = [Path(path).with_name(report.TICKETS) for path in FLAGS.rows]
    tickets = [ticket for path in beside if path.is_file() for ticket in report.read(path)]
    planned = [Path(path).with_name(report.PRIMARY) for path in FLAGS.rows[:1]]
    primary = FLAGS.primary or next((path for path in planned if path.is_file()), None)
    family = report.read_family(primary) if primary else None
    count = report.write(rows, FLAGS.output, tickets, family)
    print(f"{count} rows: tables in {FLAGS.output}/tables.md, all of it in {FLAGS.output}/page.html")


def run():
    run_command("lottery-report", main)


if __name__ == "__main__":
    run()

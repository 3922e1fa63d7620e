"""How often the study's plan claims what is not so, and how often it finds what is, in simulated studies.

    python docs/study/planted.py [--rows=docs/study/rows.jsonl] [--studies=1000]

Each simulated study is rows as a study writes them, judged by the tables of a report with the family in
plan.json: four seeds a net, and six where the widest primary interval is wider than the plan allows. The
spread of the paired differences is taken to be 0.4 points, and two controls' differences to be correlated by
0.5, for they share the ticket; with --rows it is that of the rows. It writes planted.md.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from simulated import assumed, compared_in, measured, study, study_of_images

from keras_lottery.experiments import report
from keras_lottery.experiments.report.primary import primary
from keras_lottery.experiments.verdicts import LOWER

HERE = Path(__file__).parent
WORDS = ("beats", "matches", LOWER, "is worse", "no verdict")
SEEDS, MORE, WIDEST = 4, 6, 0.35  # seeds a net; six where the widest half width is above 0.35 points


def is_false(words, truth, margin=0.5):
    """Whether a verdict claims what the truth (in points) does not hold."""
    above, below = words in ("beats", "matches", LOWER), words in ("is worse", LOWER)
    return words == "beats" and truth <= 0 or above and truth <= -margin or below and truth >= 0


def verdicts_of(rows, families, plan=True):
    """[(words of each primary comparison, half widths in points)] for each family, as a report has them.

    By the plan there are more seeds where one of the half widths is too wide.
    """
    few = compared_in([row for row in rows if row["seed"] < SEEDS] if plan else rows)
    told = [_told(few, family) for family in families]
    wide = [plan and max(halves) > WIDEST for _, halves in told]
    more = compared_in(rows) if any(wide) else None
    return [_told(more, family) if too_wide else of for family, of, too_wide in zip(families, told, wide)]


def _told(compared, family):
    table = primary(compared, family)
    at = table.header.index("difference"), table.header.index("verdict")
    halves = [float(line[at[0]].partition(" ± ")[2]) for line in table.rows]
    return [line[at[1]] for line in table.rows], halves


def simulate(families, truth, spreads=None, studies=1000, seeds=None):
    """Simulated studies with one truth: by the plan's rule of the seeds, or with so many seeds a net.

    Args:
      families: ways to judge the same primary comparisons, a `Family` each.
      truth: {Primary: points}, or points for all.
      spreads: {group: covariance}; None for a truth about all images.

    Returns:
      For each family {"false": share of studies that hold a false claim, "half": mean half width over seeds,
      "wide": share of studies with a half width above WIDEST, and for each of WORDS the share of comparisons
      of which it is said}.
    """
    families = list(families)
    first = families[0]
    truth = truth if isinstance(truth, dict) else dict.fromkeys(first.cells, truth)
    rng = np.random.default_rng(0)
    studied = []
    for _ in range(studies):
        drawn = (
            study(rng, first, spreads, truth, seeds or MORE)
            if spreads
            else study_of_images(rng, first, truth, seeds or MORE)
        )
        studied.append(verdicts_of(drawn, families, plan=seeds is None))
    return [_shares(told, truth, first.margin) for told in zip(*studied)]


def _shares(told, truth, margin):
    said = [words for study_of, _ in told for words in study_of]
    halves = np.array([half for _, half in told])
    false = [any(is_false(*one, margin) for one in zip(words, truth.values())) for words, _ in told]
    return {
        "false": float(np.mean(false)),
        "half": float(halves.mean()),
        "wide": float(np.mean(halves.max(axis=1) > WIDEST)),
        **{words: said.count(words) / len(said) for words in WORDS},
    }


def ways(family):
    """{name: the family judged so}."""
    return {
        "seeds, each net's variance": dataclasses.replace(family, common_variance=False, new_images=False),
        "seeds, common variance": dataclasses.replace(family, common_variance=True, new_images=False),
        "seeds and images": dataclasses.replace(family, common_variance=False, new_images=True),
    }


def main(rows=None, studies=1000):
    family = report.read_family(HERE / "plan.json")
    spreads = measured(report.read(rows), family) if rows else assumed(family)
    (HERE / "planted.md").write_text("\n".join(page(family, spreads, studies, rows)) + "\n")


def page(family, spreads, studies, rows):
    """The lines of planted.md."""
    found = ", ".join(f"{np.sqrt(variance):.2f}" for of in spreads.values() for variance in np.diag(of))
    chosen = next(name for name, of in ways(family).items() if of == family)
    yield from (
        "# What the plan would claim",
        "",
        f"`python docs/study/planted.py{f' --rows={rows}' if rows else ''}` simulates {studies:,} studies "
        f"for each line of the first table, {studies // 2:,} for each of the second, and judges them with a "
        "report's own tables. Standard deviations of the paired "
        f"differences of the {len(family.cells)} primary comparisons, in points: {found} "
        f"({'of the rows' if rows else 'assumed'}). {SEEDS} seeds for each of {len(family.models)} nets, "
        f"{MORE} where the widest primary interval over seeds has a half width above {WIDEST} points. "
        "Verdicts can be by the interval over seeds, with a variance for each net or a common one "
        f"(`common_variance`), or over seeds and test images (`new_images`). plan.json says: {chosen}.",
        "",
    )
    yield from _false_claims(family, spreads, studies)
    yield from _power(family, spreads, studies)


def _false_claims(family, spreads, studies):
    margin, half = family.margin, len(family.cells) // 2
    mixed = dict(zip(family.cells, [0.0] * half + [-margin] * (len(family.cells) - half)))
    over_seeds = list(ways(family).values())[:2]
    columns = [f"these images: {name}" for name in ways(family)][:2]
    columns += [f"all images: {name}" for name in ways(family)]
    yield from (
        "## Studies with a false claim",
        "",
        f"The table counts the studies, of {studies:,}, in which the corrected verdict of at least one "
        'primary comparison is a false claim. If the true difference is 0, the false claims are "beats", '
        '"is worse" and "matches, but lower". If it is minus the margin, they are "beats", "matches" and '
        '"matches, but lower"; if it is plus the margin, "is worse" and "matches, but lower". An error rate '
        'of 5% plus two standard errors is 64 of 1,000. Under "these images" the truth is about the test '
        'images at hand. Under "all images" it is about all images like them, from which 10,000 were drawn. '
        "The draw adds a spread of 0.08 points to each difference, which seeds do not show.",
        "",
        "The correction allows each of the three claims to be false in 2.5% of studies. If all true "
        "differences are the same, only two of the claims can be false. If some are 0 and others minus the "
        "margin, all three can be, in up to 7.5% of studies.",
        "",
        f"| true difference | {' | '.join(columns)} |",
        f"|{'---|' * (1 + len(columns))}",
    )
    truths = {
        "0": 0.0,
        f"-{margin:g}": -margin,
        f"+{margin:g}": margin,
        f"0 in half, -{margin:g} in half": mixed,
    }
    for name, truth in truths.items():
        found = simulate(over_seeds, truth, spreads, studies)
        found += simulate(ways(family).values(), truth, None, studies)
        yield f"| {name} | {' | '.join(str(round(of['false'] * studies)) for of in found)} |"


def _power(family, spreads, studies):
    yield from (
        "",
        "## Power",
        "",
        "The columns of verdicts give the share of primary comparisons that get each corrected verdict.",
        "",
        f"| true difference | judged by | seeds a net | {' | '.join(WORDS)} | mean half width over seeds | "
        f"studies with one above {WIDEST} |",
        f"|{'---|' * (5 + len(WORDS))}",
    )
    judged = ways(family)
    names = list(judged)
    for part in (-1, -0.5, 0, 0.5, 1):
        for of, spread, seeds in (
            (names[:2], spreads, SEEDS),
            (names[:2], spreads, None),
            (names[2:], None, None),
        ):
            told = simulate([judged[name] for name in of], part * family.margin, spread, studies // 2, seeds)
            for name, shares in zip(of, told):
                yield (
                    f"| {part * family.margin:+g} | {name} | {seeds or 'by the plan'} | "
                    f"{' | '.join(f'{shares[words]:.0%}' for words in WORDS)} "
                    f"| {shares['half']:.2f} | {shares['wide']:.0%} |"
                )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--rows", help="rows.jsonl whose spreads are taken")
    options.add_argument("--studies", type=int, default=1000, help="simulated studies for each line")
    main(**vars(options.parse_args()))

"""Rows of simulated studies, as a study writes them, with a planted difference: see planted.py."""

import base64
import dataclasses
import math

import numpy as np
from scipy import special

from keras_lottery.experiments import report
from keras_lottery.experiments.report.compared import comparisons
from keras_lottery.experiments.report.places import places

SPREAD, SHARED = 0.4, 0.5  # points; correlation of two controls' differences
TEST_IMAGES = 10_000
# Where it matters which images are right: a net has an image right where level + how easy the image is + how
# easy it is for this control + what differs by seed and image + what differs by seed is above 0, all normal
# with these deviations. They make a paired difference spread by 0.4 points over seeds, and other test images
# add 0.08 points.
EASY, EASY_HERE, BY_BOTH, BY_SEED = 1.0, 0.16, 0.35, 0.013


def groups_of(family):
    """{(target, sparsity, images, epochs): its primary cells}."""
    found = {}
    for cell in family.cells:
        found.setdefault(dataclasses.replace(cell, control=""), []).append(cell)
    return found


def measured(rows, family):
    """{group: covariance of the differences from its controls, in points squared}, pooled within nets."""
    compared, found = compared_in(rows), {}
    for group, cells in groups_of(family).items():
        total, free = 0, 0
        for model in family.models:
            of_net = [one for one in compared if one.first["model"] == model]
            values = np.array([one.differences for cell in cells for one in of_net if cell.is_of(one)])
            if len(values) != len(cells) or values.shape[1] < 2:
                raise SystemExit(
                    f"the rows hold no two seeds of {model} on {group}: leave --rows out until they do"
                )
            free += values.shape[1] - 1
            total += np.atleast_2d(np.cov(values)) * (values.shape[1] - 1)
        found[group] = total / free
    return found


def assumed(family, spread=SPREAD):
    """The same from one spread in points."""
    return {
        group: spread**2 * (SHARED + (1 - SHARED) * np.eye(len(cells)))
        for group, cells in groups_of(family).items()
    }


def study(rng, family, spreads, truth, seeds=6):
    """The rows of one simulated study, whose truth is about its test images.

    Args:
      spreads: {group: covariance}.
      truth: {Primary: true difference in points}.
    """
    found = []
    for group, cells in groups_of(family).items():
        for model in family.models:
            drawn = rng.multivariate_normal([truth[cell] for cell in cells], spreads[group], seeds)
            for seed, less in enumerate(drawn):
                ticket = 90 + 0.3 * rng.standard_normal()
                told = dict(model=model, group=group, seed=seed)
                found.append(_row(**told, control="ticket", accuracy=ticket))
                found += [
                    _row(**told, control=cell.control, accuracy=ticket - one)
                    for cell, one in zip(cells, less)
                ]
    return found


def study_of_images(rng, family, truth, seeds=6):
    """The rows of one simulated study whose truth is about all images, of which it tests 10,000.

    How easy an image is for a control is the same for every net: pooling nets does not average it out.
    """
    found = []
    for group, cells in groups_of(family).items():
        easy = EASY * rng.standard_normal(TEST_IMAGES, "float32")
        for control, less in {"ticket": 0.0, **{cell.control: truth[cell] for cell in cells}}.items():
            level = math.hypot(EASY, EASY_HERE, BY_BOTH, BY_SEED) * special.ndtri(0.9 - less / 100)
            here = level + easy + EASY_HERE * rng.standard_normal(TEST_IMAGES, "float32")
            for model in family.models:
                both = BY_BOTH * rng.standard_normal((seeds, TEST_IMAGES), "float32")
                right = here + both + BY_SEED * rng.standard_normal((seeds, 1), "float32") > 0
                found += [
                    {
                        **_row(model, group, seed, control, 100 * of.mean()),
                        "test_images": TEST_IMAGES,
                        "correct": base64.b64encode(np.packbits(of).tobytes()).decode(),
                    }
                    for seed, of in enumerate(right)
                ]
    return found


def _row(model, group, seed, control, accuracy):
    at = 0.0 if control.startswith("dense") else group.sparsity
    accuracy = round(accuracy / 100 * TEST_IMAGES) / TEST_IMAGES
    return {
        "model": model,
        "source": group.source or "cifar10",
        "target": group.target,
        "seed": seed,
        "ticket_sparsity": at,
        "control": control,
        "sparsity": at,
        "epochs": group.epochs or 4,
        "epoch": 4,
        "train_images": group.train_images or 54000,
        "recipe": {"optimizer": "nesterov", "learning_rate": 0.1},
        "precision": "float32",
        "test_accuracy": accuracy,
        "validation_accuracy": accuracy,
        "validation_curve": [accuracy],
        "rewind": 200,
        "rule": "k to T",
    }


def compared_in(rows):
    """Every `Comparison` of the rows."""
    alike = report.by_setting(rows)
    return comparisons(list(zip(places(alike), alike)))

"""What a type checker must know of the public names: mypy reads this file and runs nothing."""

from typing import assert_type

import numpy as np

import keras_lottery as lottery
from keras_lottery.core.types import Model


def a_search(model: Model, x: np.ndarray, y: np.ndarray) -> None:
    ticket = lottery.find_ticket(lottery.wrap(model), (x, y), epochs=1, rounds=2, rewind=20)
    assert_type(ticket, lottery.Ticket)
    assert_type(ticket.sparsity, float)
    assert_type(lottery.load_ticket("folder"), lottery.Ticket)
    assert_type(ticket.push("hf://user/name", license="mit"), str)
    assert_type(ticket.numpy("torch")["a/kernel"], np.ndarray)
    assert_type(lottery.masks(model)["a/kernel"], np.ndarray)
    assert_type(lottery.sparsity(model), float)
    student = lottery.transfer(ticket, num_classes=5)
    assert_type(lottery.export(student, "student.tflite").path, str)
    lottery.find_ticket(model, (x, y), epochs=1, rounds=1, score=lambda path, weight, state: abs(weight))
    lottery.find_ticket(model, (x, y), epochs=1, rounds=1, layer_rates={"conv*": 0.1}, scope="erk")
    lottery.find_ticket(model, (x, y), epochs=1, rounds=1, score=3)  # type: ignore[arg-type]
    lottery.find_ticket(model, (x, y), epochs="five", rounds=1)  # type: ignore[arg-type]
    lottery.find_ticket(model, (x, y), epochs=1, round=1)  # type: ignore[call-arg]
    lottery.transfer(ticket)  # type: ignore[call-arg]


def a_loop_of_ones_own(model: Model) -> None:
    for round in lottery.rounds(model, steps=20, rounds=2, rewind=5):
        assert_type([round.number, round.start, round.stop], list[int])
        assert_type((round.sparsity, round.first), tuple[float, bool])
        round.stepped()
    assert_type(round.ticket, lottery.Ticket)
    lottery.rounds(model, rounds=2)  # type: ignore[call-arg]
    lottery.rounds(model, steps="ten", rounds=2)  # type: ignore[arg-type]


def the_rest(schedule: lottery.LotterySchedule) -> None:
    assert_type(schedule.total_steps, int)
    lottery.LotterySchedule(rounds=3, round_step=10)  # type: ignore[call-arg]


def data_and_models() -> None:
    assert_type(lottery.data.load("digits").num_classes, int)
    assert_type(lottery.models.build("lenet", (8, 8, 1), 10), Model)

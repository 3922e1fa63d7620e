"""Rounds around a training loop of one's own: the tickets of find_ticket, and no wrong ticket in silence."""

import functools

import numpy as np
import pytest
import zoo
from small import ENGINE, arrays, bits, compiled, dense, in_order, mirrored, noisy, state_of
from world import EAGER, KERAS3, WORLD, array, keras, matrix_on, skip_unless, tensor

import keras_lottery as lottery

pytestmark = pytest.mark.engine

X, Y = arrays()
BATCH, EPOCH = 16, 6  # 6 batches are an epoch
STEPS = 2 * EPOCH
HOW = {"rounds": 2, "rate": 0.5}


def batch(step):
    """The batch of a step of the dense training: the same ones, in order, in each epoch."""
    first = step % EPOCH * BATCH
    return X[first : first + BATCH], Y[first : first + BATCH]


def cosine(last=0.0):
    return keras.optimizers.schedules.CosineDecay(0.1, STEPS, last)


def sgd(rate=0.1):
    return keras.optimizers.SGD(rate, momentum=0.9)


def cross_entropy(labels, outputs):
    return keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True)


# --- a training step, as each world writes it --------------------------------------------------------------


def taped(model, optimizer, graph=False):
    """TensorFlow: a GradientTape, in a tf.function or not."""
    import tensorflow as tf

    @(tf.function if graph else lambda step: step)
    def train(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(cross_entropy(y, model(x, training=True)))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

    def step(round, number):
        train(*map(tf.constant, batch(number)))

    step.traces = lambda: train.experimental_get_tracing_count()
    return step


def backward(model, optimizer):
    """PyTorch: backward(), then an optimizer of either."""
    import torch

    def train(round, step):
        x, y = map(tensor, batch(step))
        model.zero_grad()
        cross_entropy(y, model(x, training=True)).mean().backward()
        if isinstance(optimizer, torch.optim.Optimizer):
            return optimizer.step()
        with torch.no_grad():
            optimizer.apply([v.value.grad for v in model.trainable_variables], model.trainable_variables)

    return train


def gradient_of(model):
    """JAX: a function that gives the gradients and the new state of what does not train."""
    import jax

    def loss(trainable, non_trainable, x, y):
        outputs, non_trainable = model.stateless_call(trainable, non_trainable, x, training=True)
        return cross_entropy(y, outputs).mean(), non_trainable

    return jax.grad(loss, has_aux=True)


def stateless(model, optimizer):
    """JAX: the state goes in and out of a jitted step, which takes its memory."""
    import jax

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def train(trainable, non_trainable, slots, x, y):
        gradients, non_trainable = gradient_of(model)(trainable, non_trainable, x, y)
        return *optimizer.stateless_apply(slots, gradients, trainable), non_trainable

    def step(round, number):
        if number == round.start:
            step.state = round.begin()
        trainable, slots, non_trainable = train(*step.state, *batch(number))
        step.state = trainable, non_trainable, slots
        return step.state

    step.traces = train._cache_size
    return step


OWN_STEP = {"tf_keras": taped, "tensorflow": taped, "torch": backward, "jax": stateless}[WORLD]


def trained(rounds, train, seen=lambda round: None):
    """The last round, each trained by `train(round, step)`, which gives the state if it hands one on."""
    for round in rounds:
        seen(round)
        for step in range(round.start, round.stop):
            state = train(round, step)
            round.stepped(*[state] * isinstance(state, (tuple, list)))
    return round


def own(net=dense, optimizer=sgd, seed=0, make_step=OWN_STEP, **how):
    """The ticket of a loop of its own around `lottery.rounds`."""
    keras.utils.set_random_seed(seed)
    model, optimizer = lottery.wrap(net(), verbose=False), optimizer()
    keras.utils.set_random_seed(seed)  # of what random layers draw from
    rounds = lottery.rounds(model, optimizer, steps=STEPS, **{**HOW, **how})
    return trained(rounds, make_step(model, optimizer)).ticket


def found(net=dense, optimizer=sgd, seed=0, **how):
    """The ticket of find_ticket, given the same batches."""
    keras.utils.set_random_seed(seed)
    model = lottery.wrap(net(), verbose=False)
    model.compile(optimizer(), cross_entropy, run_eagerly=EAGER)
    train = in_order((X, Y), BATCH)
    return lottery.find_ticket(model, train, epochs=2, seed=seed, verbose=0, **{**HOW, **how})


CASES = {
    "init": (dense, sgd, {}),
    "step": (noisy, lambda: sgd(cosine()), {"rewind": 4}),
    "lr": (dense, lambda: sgd(cosine()), {"rewind": "lr"}),
    "finetune": (dense, lambda: keras.optimizers.Adam(cosine(0.1)), {"rewind": "finetune"}),
    "trained": (noisy, sgd, {"rewind": "trained", "scope": "layer"}),
    "average": (dense, lambda: keras.optimizers.SGD(0.1, use_ema=True), {"rewind": 3, "rewind_once": True}),
}


@pytest.mark.quick("step")
@pytest.mark.parametrize("name", CASES)
def test_the_ticket_is_that_of_find_ticket_bit_for_bit(name):
    net, optimizer, how = CASES[name]
    net = dense if WORLD == "torch" else net  # PyTorch's fit draws random numbers before its first step
    ours, theirs = own(net, optimizer, **how), found(net, optimizer, **how)
    assert ours.sparsity == theirs.sparsity == 0.75
    for part in ("masks", "weights", "trained"):
        assert bits(getattr(ours, part)) == bits(getattr(theirs, part)), part
    same = ("round", "sparsity", "kept", "total", "start", "stop")
    for one, other in zip(ours.rounds, theirs.rounds, strict=True):
        assert [one[key] for key in same] == [other[key] for key in same]
    told = {key: value for key, value in theirs.settings.items() if key not in ("epochs", "seed")}
    assert ours.settings == {"steps": STEPS, **told}


@matrix_on("tf_keras")
@pytest.mark.parametrize("rewind", [0, 4])
def test_a_round_begins_at_the_rewind_point_with_a_fresh_optimizer(rewind):
    model, optimizer = lottery.wrap(noisy(), verbose=False), sgd(cosine())
    rounds = lottery.rounds(model, optimizer, steps=STEPS, rewind=rewind, **HOW)
    points, fresh, rates = [], [ENGINE.optimizer_state(model)], []

    def seen(round):
        assert (round.start, round.stop) == (rewind if round.number else 0, STEPS)
        assert round.sparsity == [0, 0.5, 0.75][round.number] == pytest.approx(lottery.sparsity(model))
        points.append(state_of(model))
        fresh.append(ENGINE.optimizer_state(model))
        rates.append(float(array(optimizer.learning_rate)) if KERAS3 else None)

    last = trained(rounds, OWN_STEP(model, optimizer), seen)
    assert last.number == 2 and zoo.drift(model) == 0
    assert bits(last.ticket.weights) == bits(points[-1])
    masks = last.ticket.masks
    for path, value in points[1].items():  # of which the next round prunes more
        assert np.array_equal(np.where(masks.get(path, True), value, 0), points[2][path])
    shifted = {0: fresh[0], 4: fresh[2]}[rewind]
    assert zoo.same(fresh[1], fresh[0]) and zoo.same(fresh[2], shifted) and zoo.same(fresh[3], fresh[2])
    if KERAS3:
        assert np.allclose(rates, [float(array(cosine()(at))) for at in (0, rewind, rewind)])


def test_every_finished_round_has_its_ticket():
    model, optimizer = lottery.wrap(dense(), verbose=False), sgd()
    train = functools.partial(taped, graph=True) if WORLD in ("tf_keras", "tensorflow") else OWN_STEP
    train, tickets = train(model, optimizer), []
    for round in lottery.rounds(model, optimizer, steps=2, rounds=3, final_sparsity=0.7):
        one = trained([round], train)
        tickets.append(one.ticket)
        if round.sparsity > 0.5:
            break
    assert len(tickets) == 3 and round.ticket is tickets[-1]
    assert [len(ticket.rounds) for ticket in tickets] == [1, 2, 3]
    assert [ticket.sparsity for ticket in tickets] == [r["sparsity"] for r in tickets[-1].rounds]
    assert bits(tickets[-1].trained) == bits(state_of(model))
    assert WORLD == "torch" or train.traces() == 1


@pytest.mark.matrix
@skip_unless("tf_keras", "tensorflow", reason="TensorFlow's own")
def test_two_replicas():
    with mirrored().scope():
        model = compiled(lottery.wrap(noisy(), verbose=False), sgd(cosine()))
    rounds = lottery.rounds(model, steps=STEPS, rewind=4, **HOW)
    last = trained(rounds, lambda round, step: model.train_on_batch(*batch(step)) and None)
    assert last.ticket.sparsity == 0.75 and zoo.drift(model) == 0
    for variable in model.trainable_variables:
        first, second = zoo.replicas(variable)
        assert np.array_equal(first.numpy(), second.numpy())


# --- optimizers of others ----------------------------------------------------------------------------------

on_jax = skip_unless("jax", reason="JAX's own")
on_torch = skip_unless("torch", reason="PyTorch's own")


def optax_step(model, transformation, hold=False):
    """JAX: an optax transformation, whose state the loop holds."""
    import jax
    import optax

    @jax.jit
    def train(trainable, non_trainable, slots, x, y):
        gradients, non_trainable = gradient_of(model)(trainable, non_trainable, x, y)
        updates, slots = transformation.update(gradients, slots, trainable)
        trainable = optax.apply_updates(trainable, updates)
        return step.hold(trainable, non_trainable) if hold else trainable, non_trainable, slots

    def step(round, number):
        if number == round.start:
            step.state, step.hold = round.begin(), round.hold
        if round.first:
            step.slots = transformation.init(step.state[0])
        trainable, non_trainable, step.slots = train(*step.state, step.slots, *batch(number))
        step.state = trainable, non_trainable
        return step.state

    return step


@on_jax
@pytest.mark.parametrize("how", ["not given", "given", "compiled with another"])
def test_an_optimizer_whose_state_the_loop_holds(how):
    """optax' momentum makes the ticket that Keras' does, up to rounding."""
    optax = pytest.importorskip("optax")
    keras.utils.set_random_seed(0)
    model, tx = lottery.wrap(dense(), verbose=False), optax.sgd(0.1, momentum=0.9)
    if how == "compiled with another":
        model.compile(loss="mse")
    rounds = lottery.rounds(model, None if how == "not given" else tx, steps=STEPS, rewind=4, **HOW)
    ticket = trained(rounds, optax_step(model, tx)).ticket
    other = own(rewind=4)
    assert ticket.sparsity == 0.75 and zoo.drift(model) == 0
    for path, mask in ticket.masks.items():
        assert np.array_equal(mask, other.masks[path])
    for path, value in ticket.trained.items():
        assert np.allclose(value, other.trained[path], atol=1e-5)


@on_jax
def test_zeros_that_optax_would_lose_are_an_error_and_hold_holds_them():
    optax = pytest.importorskip("optax")
    tx = optax.chain(optax.add_noise(0.1, 0.5, 0), optax.sgd(0.1))

    def run(hold):
        model = lottery.wrap(dense(), verbose=False)
        rounds = lottery.rounds(model, tx, steps=3, **HOW)
        return trained(rounds, optax_step(model, tx, hold)).ticket

    with pytest.raises(
        lottery.LotteryError, match="pruned weights of 'a/kernel' are no longer 0: .*round.hold"
    ):
        run(hold=False)
    assert run(hold=True).sparsity == 0.75


@on_torch
@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad"])
def test_an_optimizer_of_pytorch_starts_anew_at_the_rate_of_the_rewind_step(name):
    import torch

    model = lottery.wrap(dense(), verbose=False)
    how = {"momentum": 0.9} if name == "SGD" else {}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = getattr(torch.optim, name)(parameters, lr=0.1, **how)
    train, fresh, rates = backward(model, optimizer), [], []

    def seen(round):
        fresh.append([{key: np.array(v) for key, v in s.items()} for s in optimizer.state.values()])
        rates.append(optimizer.param_groups[0]["lr"])

    def step(round, number):
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + number)
        train(round, number)

    last = trained(lottery.rounds(model, optimizer, steps=STEPS, rewind=4, **HOW), step, seen)
    assert rates == [0.1, 0.1 / 4, 0.1 / 4]
    assert [str(state) for state in fresh] == [str(fresh[0])] * 3
    assert last.ticket.sparsity == 0.75 and zoo.drift(model) == 0


# --- mistakes ----------------------------------------------------------------------------------------------


def begun(optimizer=None, steps=3, **how):
    """(model, what one step of the loop does, the rounds)."""
    model, optimizer = lottery.wrap(dense(), verbose=False), optimizer or sgd()
    return model, OWN_STEP(model, optimizer), lottery.rounds(model, optimizer, steps=steps, **{**HOW, **how})


def ready(given=None, compile=None, **how):
    model = lottery.wrap(dense(), verbose=False)
    if compile:
        model.compile(compile, "mse")
    return lottery.rounds(model, given, **{"steps": 3, **HOW, **how})


def used(optimizer):
    model = compiled(dense(), optimizer)
    model.train_on_batch(X, Y)
    return optimizer


def pruned():
    model = lottery.wrap(dense(), verbose=False)
    zoo.tighten(model, 0.5)
    return model


REFUSED = {
    "a plain model": (
        lambda: lottery.rounds(dense(), sgd(), steps=3, **HOW),
        r"'small' has no masks: wrap it, model = lottery.wrap\(model\)",
    ),
    "a pruned model": (lambda: lottery.rounds(pruned(), sgd(), steps=3, **HOW), "is pruned already"),
    "no model": (lambda: lottery.rounds(None, steps=3, **HOW), "expected a Keras model, got NoneType"),
    "an optimizer that has taken steps": (
        lambda: ready(used(sgd())),
        "has taken steps already: make a new one",
    ),
    "a compiled one that has": (
        lambda: ready(compile=used(sgd())),
        "has taken steps already: make a new one",
    ),
    "another optimizer": (
        lambda: ready(sgd(), compile="adam"),
        "compiled with another optimizer, a Adam, than the SGD that is given: compile it with the one",
    ),
    "the name of an optimizer": (lambda: ready("adam"), "optimizer is a str: give the optimizer object"),
    "no steps": (lambda: ready(steps=0), "steps=0 is impossible: give a whole number from 1"),
    "no rounds": (lambda: ready(rounds=None), "how far to prune is open"),
    "all zeros": (
        lambda: ready(rounds=None, final_sparsity=0.9999),
        "leaves none of the 216 prunable weights",
    ),
    "a rewind point past the end": (lambda: ready(rewind=3), "rewind=3 is past the first round"),
    "an unknown one": (lambda: ready(rewind="start"), "rewind='start' is unknown"),
    "rewinding once to nowhere": (lambda: ready(rewind="lr", rewind_once=True), "leave out one of them"),
}


@matrix_on("tf_keras")
@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything(name):
    call, said = REFUSED[name]
    with pytest.raises(lottery.LotteryError, match=said) as error:
        call()
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_round_that_is_not_finished_is_an_error():
    model, train, rounds = begun()
    round = next(rounds)
    for step in range(2):
        round.stepped(*filter(None, [train(round, step)]))
    said = "round 0 has taken 2 of its 3 steps: take those of range"
    with pytest.raises(lottery.LotteryError, match=said):
        round.ticket  # noqa: B018  as after a break
    with pytest.raises(lottery.LotteryError, match=said):
        next(rounds)
    assert lottery.sparsity(model) == 0


def test_a_step_too_many_is_an_error():
    model, train, rounds = begun()
    round = next(rounds)
    trained([round], train)
    ticket = round.ticket
    with pytest.raises(lottery.LotteryError, match="round 0 has taken all its 3 steps: go on to the next"):
        round.stepped()
    assert round.ticket is ticket and next(rounds).number == 1


def test_an_optimizer_that_does_not_step_is_an_error():
    model = compiled(lottery.wrap(dense(), verbose=False))
    train = {"jax": lambda *_: lambda *_: None}.get(WORLD, OWN_STEP)(model, sgd())
    round = next(lottery.rounds(model, steps=3, **HOW))
    train(round, 0)
    said = "the Adam that each round starts anew has taken no step in this one: give the optimizer that"
    with pytest.raises(lottery.LotteryError, match=said):
        round.stepped()


def test_a_loop_that_trains_another_model_is_an_error():
    model = lottery.wrap(dense(), verbose=False)
    round = next(lottery.rounds(model, steps=2, **HOW))
    round.stepped()
    with pytest.raises(
        lottery.LotteryError, match="round 0 has changed no weight: let the loop train the wrapped"
    ):
        round.stepped()


def test_masks_of_another_time_are_an_error():
    """As a checkpoint of an earlier round puts them back."""
    model, train, rounds = begun(optimizer=sgd())
    trained([next(rounds)], train)
    round = next(rounds)
    ENGINE.set_masks(model, {path: np.ones_like(mask) for path, mask in lottery.masks(model).items()})
    with pytest.raises(lottery.LotteryError, match="the masks are not those that this round began with"):
        trained([round], train)


@skip_unless("tf_keras", reason="Keras 3 holds the zeros of such a write as well, or has none")
def test_a_write_past_the_zeros_is_an_error():
    model, train, rounds = begun()
    trained([next(rounds)], train)
    round = next(rounds)
    lottery.prunable(model)["a/kernel"].assign_add(np.ones((8, 12), "float32"))
    with pytest.raises(lottery.LotteryError, match="pruned weights of 'a/kernel' are no longer 0"):
        round.stepped()


@skip_unless("keras", reason="Keras 3's own")
def test_a_state_that_is_not_this_rounds_is_an_error():
    model, _, rounds = begun()
    round = next(rounds)
    with pytest.raises(lottery.LotteryError, match="take it anew, state = round.begin()"):
        round.stepped(([], [], []))
    state = round.begin()
    with pytest.raises(lottery.LotteryError, match="give it back, round.stepped.state."):
        round.stepped()
    for wrong in (state[:2], (state[0][1:], *state[1:]), 3, (1, 2, 3)):
        with pytest.raises(
            lottery.LotteryError, match="has not the form of this model's: give what round.begin"
        ):
            next(begun()[2]).stepped(wrong) if wrong is None else _stepped_anew(wrong)


def _stepped_anew(state):
    round = next(begun()[2])
    round.begin()
    round.stepped(state)


@on_jax
def test_the_state_of_the_round_before_is_an_error():
    model, train, rounds = begun()
    trained([next(rounds)], train)
    round = next(rounds)
    round.begin()
    with pytest.raises(
        lottery.LotteryError, match="the masks are not those .* take each round's state from round.begin"
    ):
        round.stepped(train.state)


@skip_unless("tf_keras", reason="Keras 3 has such loops")
def test_a_loop_of_tf_keras_hands_no_state_on():
    round = next(begun()[2])
    for call in (round.begin, lambda: round.hold([], [])):
        with pytest.raises(lottery.LotteryError, match="train the model itself .*: call round.stepped"):
            call()


@matrix_on("tf_keras")
def test_a_score_that_measures_on_data_takes_them_as_find_ticket_does():
    x, y = arrays(64)
    how = dict(rounds=1, rate=0.5, score="taylor", seed=3)
    found = lottery.find_ticket(compiled(dense()), (x, y), epochs=1, verbose=0, **how)
    model = compiled(lottery.wrap(dense(), verbose=False))
    for round in lottery.rounds(model, steps=2, train=(x, y), **how):
        for _ in range(round.start, round.stop):
            model.train_on_batch(x, y)
            round.stepped()
    assert found.sparsity == round.ticket.sparsity == 0.5
    with pytest.raises(lottery.LotteryError, match="this score needs data to measure on, and none are given"):
        lottery.rounds(compiled(lottery.wrap(dense(), verbose=False)), steps=2, **how)

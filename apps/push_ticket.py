"""Publish a ticket on the Hugging Face Hub, with a card.

Example:
  lottery-push --ticket=runs/student/ticket/student --output=hf://user/name --license=apache-2.0

Log in first, once: hf auth login
"""

from absl import flags

from keras_lottery.tickets.config import PushConfig

from . import flags as shared

FLAGS = flags.FlagValues()
shared.define(FLAGS, PushConfig)


def main():
    from keras_lottery import LotteryError, load_ticket

    config = shared.read(FLAGS, PushConfig)
    if missing := [name for name in ("ticket", "output") if not getattr(config, name)]:
        raise LotteryError(
            f"publishing needs a ticket and an address, and no {' and no '.join(missing)} is given: give "
            "ticket='FOLDER' and output='hf://user/name'."
        )
    card = {"name": config.name, "license": config.license, "author": config.author}
    address = load_ticket(config.ticket).push(config.output, **card)
    print(f"{config.ticket} is published as {address}; next, anywhere:")
    print(f"  lottery-transfer --ticket={address} --dataset=FOLDER_OF_PHOTOS")


def run():
    shared.run_command("lottery-push", main, FLAGS)


if __name__ == "__main__":
    run()

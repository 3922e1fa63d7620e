"""What publishing a ticket is told."""

import dataclasses

from ..core.options import Config, option
from .card_head import check


@dataclasses.dataclass(frozen=True)
class PushConfig(Config):
    """Which ticket is published where, and what its card says of it."""

    ticket: str | None = option(None, "ticket folder, such as RUN_DIR/ticket/student, or a ticket's name")
    output: str | None = option(None, "the repository, hf://user/name, which is made if it is not there")
    name: str | None = option(None, "what the card calls the ticket (default: as the repository)", check)
    license: str | None = option(
        None, "identifier of its licence, such as apache-2.0, mit or cc-by-4.0", check
    )
    author: str | None = option(None, "who made it", check)

"""What an export and a benchmark are told; `lottery.export` and `measure.benchmark` check it."""

import dataclasses

from ..core.options import Config, one_of, option
from ..models.preprocessing import of_words

EXPORTED = ("trained", "rewind")  # new weights would be nothing to export


@dataclasses.dataclass(frozen=True)
class ExportConfig(Config):
    """Which weights of which ticket are written, where to, and which of the files that work is the best."""

    ticket: str | None = option(
        None,
        "where the ticket is: a folder with trained weights, such as RUN_DIR/ticket/student; hf://user/name; "
        "or https://....zip, a zip file of a folder, to which #sha256=HASH may be added to accept no other "
        "file",
    )
    start: str = option(
        "trained", "which of the ticket's weights to export: trained or rewind", one_of(EXPORTED)
    )
    output: str | None = option(None, "the .tflite file to write")
    preprocessing: str = of_words("as in the ticket's training")
    goal: str = option("size", "what the best file is chosen by: size, download, latency or accuracy")
    formats: tuple | None = option(
        None, "number formats to try: float32, float16, int8-weights, int8-dynamic, int8 (default: all)"
    )
    max_loss: float = option(0.5, "points of accuracy that the file may lose")
    compact: bool = option(False, "take dead channels out of the net first")
    variants_dir: str | None = option(
        None, "folder in which to keep every variant that works, for lottery-benchmark"
    )
    overwrite: bool = option(False, "replace files that are there")


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig(Config):
    """How .tflite files are measured."""

    threads: int = option(1, "LiteRT's threads, here and in the commands for a phone")
    seconds: float = option(5.0, "about how many seconds to spend on running the files, in total")
    arm: bool = option(
        False,
        "also run the files on an emulated ARM processor: outputs, and instructions of an inference. "
        "Linux with apt; fetches about 60 MB the first time",
    )
    cpu: str = option(
        "cortex-a76",
        "the processor of --arm: cortex-a53, cortex-a72, cortex-a76, neoverse-n1 or max",
    )
    arm_root: str | None = option(
        None, "folder that keeps what --arm needs (default: keras_lottery/arm in your cache folder)"
    )
    adb_output: str | None = option(
        None, "file with what the commands of --adb printed, or - for standard input, to have in the table"
    )
    output: str | None = option(None, "the .json file to write")
    overwrite: bool = option(False, "replace the output if it is there")

"""Flags by the names that other programs give them."""

import re

from absl import flags

_MEANT = {  # {our flag: its other names}
    "learning_rate": "lr base_lr init_lr initial_learning_rate",
    "schedule": "lr_schedule lr_scheduler scheduler",
    "weight_decay": "wd l2",
    "optimizer": "opt optim",
    "warmup": "warmup_steps warmup_epochs",
    "batch_size": "bs batch batchsize",
    "epochs": "epoch num_epochs n_epochs",
    "rounds": "iterations num_rounds pruning_rounds levels",
    "rate": "prune_rate pruning_rate pruning_fraction",
    "final_sparsity": "sparsity target_sparsity",
    "sparsities": "sparsity final_sparsity",
    "rewind": "rewind_step rewind_epoch",
    "score": "criterion importance",
    "dataset": "data images photos",
    "data_dir": "data_path data_root root",
    "validation": "val_split validation_split val",
    "image_size": "img_size imgsz size resolution",
    "augment": "augmentation data_augmentation",
    "model": "arch architecture net network",
    "weights=imagenet": "pretrained",
    "controls": "baselines baseline",
    "output": "out output_file save",
    "run_dir": "out_dir output_dir log_dir logdir save_dir workdir",
    "overwrite": "force restart",
    "noverbose": "quiet silent q",
    "verbose": "v",
    "seed": "random_state random_seed",
    "strategy": "gpus distribute distribution",
    "precision": "fp16 bf16 amp dtype mixed_precision",
    "license": "licence",
}
_NO_FLAG = {  # {name: what there is instead}
    "sha256": "Write it after the address: --ticket=https://...zip#sha256=HASH.",
    "revision": "Write it after the address: --ticket=hf://user/name@REVISION.",
    "resume": "A command that was stopped goes on when it is given again, with the same --run_dir.",
    "device": "A GPU is used where there is one; CUDA_VISIBLE_DEVICES says which.",
    "gpu": "A GPU is used where there is one; CUDA_VISIBLE_DEVICES says which.",
}


def hint(error: flags.UnrecognizedFlagError, values: flags.FlagValues) -> str:
    """What absl says of a flag that is unknown, with the flag of the command `values` that was meant.

    >>> values = flags.FlagValues()
    >>> _ = flags.DEFINE_float("learning_rate", 0.1, "", flag_values=values)
    >>> hint(flags.UnrecognizedFlagError("lr"), values)
    "Unknown command line flag 'lr'. Did you mean: learning_rate?"
    """
    name = error.flagname.replace("-", "_").lower()
    if name in _NO_FLAG and all(flag in values for flag in re.findall(r"--(\w+)", _NO_FLAG[name])):
        return f"Unknown command line flag {error.flagname!r}. {_NO_FLAG[name]}"
    meant = [flag for flag, names in _MEANT.items() if name in names.split() and _is_flag(flag, values)]
    if not meant:
        return str(error)
    return f"Unknown command line flag {error.flagname!r}. Did you mean: {', '.join(meant)}?"


def _is_flag(flag, values):
    name = flag.partition("=")[0]
    return name in values or name.removeprefix("no") in values

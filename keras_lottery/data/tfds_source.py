"""Images from TensorFlow Datasets: prepared, or fetched, or one line that says how to prepare them."""

import contextlib
import dataclasses
import os
import shutil
import threading
import time
from urllib.parse import urlsplit

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from keras_lottery.core.errors import LotteryError
from keras_lottery.data import sources

PROBE_SECONDS = 6  # without a network TFDS itself retries for minutes


def find(name, data_dir, form, download):
    """The prepared data set of that name as a source, fetched if need be."""
    builder = _builder(name, data_dir)
    with _quiet():
        prepared = builder.is_prepared()
    if not prepared:
        if not download:
            raise LotteryError(
                f"{name} is not prepared in {_place(data_dir)} and download=False; "
                f"run: {_command(name, data_dir)}"
            )
        _fetch(builder, name, data_dir)
    return Source(name, builder, form)


def knows(name, data_dir):
    """Whether TFDS has a data set of that name, prepared or not."""
    try:
        with _quiet():
            tfds.builder(name, data_dir=data_dir)
    except Exception:  # whatever TFDS makes of a string that may be anything
        return False
    return True


@dataclasses.dataclass(frozen=True)
class Source:
    """As sources.Arrays, but read only when the splits are known."""

    name: str
    builder: object
    form: sources.Form

    @property
    def class_names(self):
        return tuple(self._features()[1].names)

    @property
    def channels(self):
        return self.form.channels or self._features()[0].shape[2]

    def read(self, train_split, test_split):
        image, _ = self._features()
        infos = self.builder.info.splits
        train, test = sources.slices(self.name, infos, train_split, test_split)
        sizes = [sum(b - a for _, a, b in part) for part in (train, test)]
        shape = (*(self.form.size or image.shape[:2]), self.form.channels or image.shape[2])
        images = sources.allocate(self.name, sum(sizes), shape)
        labels = np.empty(sum(sizes), np.int64)
        count = 0
        for split in (train_split, test_split):
            for image_batch, label_batch in self._batches(split):
                end = count + len(label_batch)
                images[count:end], labels[count:end] = image_batch, label_batch
                count = end
        parts = {"train": np.arange(sizes[0]), "test": np.arange(sizes[0], count)}
        return labels, parts, lambda: (images, np.ones(count, bool))

    def _batches(self, split):
        config = tfds.ReadConfig(try_autocache=False)
        with _quiet():
            dataset = self.builder.as_dataset(
                split=split, as_supervised=True, shuffle_files=False, read_config=config
            )
        if self.form != sources.Form(None, None, self.form.crop):
            dataset = dataset.map(
                lambda image, label: (self.form(image), label), num_parallel_calls=tf.data.AUTOTUNE
            )
        return dataset.batch(1024).prefetch(1).as_numpy_iterator()

    def _features(self):
        info = self.builder.info
        keys = info.supervised_keys
        if not keys:
            raise LotteryError(
                f"{self.name} names no (image, label) pair (TFDS: supervised_keys); "
                "expected an image classification data set"
            )
        image, label = [info.features[k] if isinstance(k, str) else None for k in keys[:2]]
        if type(image) is not tfds.features.Image or image.np_dtype != np.uint8:
            raise LotteryError(
                f"{self.name}: its {keys[0]!r} is not an 8-bit image; "
                "expected an image classification data set"
            )
        if not isinstance(label, tfds.features.ClassLabel) or not label.num_classes:
            raise LotteryError(
                f"{self.name}: its {keys[1]!r} is not a class label; "
                "expected an image classification data set"
            )
        return image, label


def _folders_here():
    with os.scandir() as entries:
        return [entry.name for entry in entries if entry.is_dir()]


def _builder(name, data_dir):
    base, _, config = name.partition(":")[0].partition("/")
    try:
        with _quiet():
            return tfds.builder(name, data_dir=data_dir)
    except Exception as error:  # of many kinds, for names, configurations and versions
        known = tfds.list_builders(with_community_datasets=False)
        if base not in known:
            raise LotteryError(
                f"no data set is called {name!r}, and no folder here: expected a folder of images, a TFDS "
                "name or digits" + sources.near(base, [*known, "digits", *_folders_here()])
            ) from error
        configs = list(tfds.builder_cls(base).builder_configs)
        if config and config not in configs:
            what = f"expected {', '.join(configs[:12])}" if configs else f"expected {base}, which has none"
            raise LotteryError(
                f"no configuration {config!r} of {base}: {what}" + sources.near(config, configs)
            ) from error
        why = _first(error).rpartition('}": ')[2]  # TFDS puts its own arguments before it
        raise LotteryError(
            f"{name} cannot be used: {why.rstrip('.')}; expected {base} without a version, "
            "or one that TFDS knows"
        ) from error


def _fetch(builder, name, data_dir):
    place, command = _place(data_dir), _command(name, data_dir)
    manual = os.path.join(place, "downloads", "manual")
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not _folder(manual):
        raise LotteryError(
            f"{name} is not in {place} and its makers do not let a program fetch it "
            f"({_first(builder.MANUAL_DOWNLOAD_INSTRUCTIONS)} ...): put the files into {manual}, "
            f"then run: {command}"
        )
    hosts = _hosts(builder)
    if hosts and not _folder(manual) and not _any_answers(hosts.values()):
        raise LotteryError(
            f"{name} is not in {place} and cannot be fetched: no answer from "
            f"{', '.join(sorted(hosts))}; where there is a network, run: {command}"
        )
    before = _folders(place)
    try:
        builder.download_and_prepare()
    except Exception as error:
        _clear(_folders(place) - before)
        raise LotteryError(
            f"{name} is not in {place} and could not be fetched: {_first(error)}; "
            f"where there is a network, run: {command}"
        ) from error


def _hosts(builder):
    """One URL for each host that the files come from."""
    try:
        return {urlsplit(url).hostname: url for url in builder.url_infos}
    except Exception:  # no list of URLs: nothing to ask
        return {}


def _any_answers(urls):
    """Whether any host serves its file; asked as TFDS will, through requests, which knows about proxies."""
    import requests

    answered = threading.Event()

    def ask(url):
        with contextlib.suppress(requests.RequestException):
            with requests.get(url, stream=True, timeout=PROBE_SECONDS) as answer:
                if answer.ok:
                    answered.set()

    # Daemons with one deadline: looking a name up can hang, past any timeout, and must not keep the process
    # alive.
    asking = [threading.Thread(target=ask, args=(url,), daemon=True) for url in urls]
    for thread in asking:
        thread.start()
    deadline = time.monotonic() + PROBE_SECONDS
    while any(t.is_alive() for t in asking) and not answered.is_set() and time.monotonic() < deadline:
        answered.wait(0.05)
    return answered.is_set()


def _folder(path):
    return os.path.isdir(path) and bool(os.listdir(path))


def _folders(root):
    return {os.path.join(at, name) for at, names, _ in os.walk(root) for name in names}


def _clear(folders):
    """Take away what a failed fetch left: half-written folders, and empty ones. Whole downloads stay for next
    time."""
    for path in sorted(folders, key=len, reverse=True):
        if ".tmp." in path or ".incomplete" in path:
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.rmdir(path)


def _place(data_dir):
    place = data_dir or os.environ.get("TFDS_DATA_DIR") or tfds.core.constants.DATA_DIR
    return os.path.abspath(os.path.expanduser(place))


def _command(name, data_dir):
    # Not `tfds build`: its command needs apache_beam, which TFDS does not install.
    where = f", data_dir={_place(data_dir)!r}" if data_dir else ""
    return (
        'python -c "import tensorflow_datasets as tfds; '
        f'tfds.builder({name!r}{where}).download_and_prepare()"'
    )


def _first(text):
    """The first line that says something."""
    return next((line.strip() for line in str(text).splitlines() if line.strip()), type(text).__name__)


@contextlib.contextmanager
def _quiet():
    """TFDS warns, through absl, of every data set that is not prepared yet."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)

"""A ticket at an https address is one zip file, the same each time; whatever else is there is refused."""

import gzip
import hashlib
import io
import shutil
import stat
import zipfile

import hub_server
import numpy as np
import pytest
from small import dense, everything, files, pruned_ticket

import keras_lottery as lottery
from keras_lottery.tickets import download
from keras_lottery.tickets.archive import unpack

https_server = pytest.importorskip("https_server")  # which needs trustme


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "mine"
    pruned_ticket(dense()).save(folder)
    return folder


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with https_server.running(tmp_path) as (server, authority):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        yield server


def zipped(folder, more=(), top="", method=zipfile.ZIP_DEFLATED):
    """The bytes of a zip file of a folder, and of more [(name or ZipInfo, content)]."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as made:
        for name, data in [*((top + path, data) for path, data in files(folder).items()), *more]:
            made.writestr(name, data)
    return content.getvalue()


def told(content):
    return hashlib.sha256(content).hexdigest()


def refused(use, said):
    with pytest.raises(lottery.LotteryError, match=said) as error:
        use()
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


def test_a_zip_of_the_folder_is_the_ticket(server, folder, tmp_path):
    shutil.make_archive(str(tmp_path / "made"), "zip", folder.parent, folder.name)
    made = (tmp_path / "made.zip").read_bytes()
    server.pages = {"/a.zip": zipfile_of(folder), "/b.zip": zipped(folder, top="deep/er/"), "/c.zip": made}
    for name in ("/a.zip", "/b.zip", "/c.zip"):
        assert everything(lottery.load_ticket(server.address(name))) == everything(
            lottery.load_ticket(folder)
        )
    cache = tmp_path / "cache" / "keras_lottery" / "tickets"
    assert sorted(path.name for path in cache.iterdir() if path.is_dir()) == sorted(
        map(told, server.pages.values())
    )


def zipfile_of(folder):
    return zipped(folder, method=zipfile.ZIP_STORED)


def test_another_file_at_the_address_is_refused(server, folder):
    address, first, other = server.address("/a.zip"), zipped(folder), zipped(folder, top="other/")
    server.pages["/a.zip"] = first
    lottery.load_ticket(address)
    lottery.load_ticket(address)
    server.pages["/a.zip"] = other
    for _ in range(2):
        refused(
            lambda: lottery.load_ticket(address),
            f"another file than the first time: its SHA-256 is {told(other)}, not {told(first)}",
        )
    lottery.load_ticket(address, sha256=told(other))  # its maker says so
    lottery.load_ticket(address)
    server.pages["/a.zip"] = first
    refused(lambda: lottery.load_ticket(address), f"its SHA-256 is {told(first)}, not {told(other)}")


def test_the_hash_is_given(server, folder):
    address, content = server.address("/a.zip"), zipped(folder)
    server.pages["/a.zip"] = content
    for wrong in (dict(path=address, sha256="0" * 64), dict(path=f"{address}#sha256={'0' * 64}")):
        refused(lambda: lottery.load_ticket(**wrong), f"than sha256 says: its SHA-256 is {told(content)}")
    whole = everything(lottery.load_ticket(folder))
    assert everything(lottery.load_ticket(address, sha256=told(content).upper())) == whole
    assert everything(lottery.load_ticket(f"{address}#sha256={told(content)}")) == whole
    for bad in ("abc", 5, "0" * 63 + "g", ""):
        refused(lambda: lottery.load_ticket(address, sha256=bad), "is no SHA-256: give the 64 digits")
    refused(lambda: lottery.load_ticket(f"{address}#sha256="), "sha256='' is no SHA-256")
    refused(lambda: lottery.load_ticket(folder, sha256=told(content)), "sha256 is of a zip file")


def test_where_nothing_answers_it_is_what_was_fetched(server, folder, monkeypatch):
    address = server.address("/a.zip")
    server.pages["/a.zip"] = zipped(folder)
    first = lottery.load_ticket(address)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")  # so that the server is not trusted
    assert everything(lottery.load_ticket(address)) == everything(first)
    refused(lambda: lottery.load_ticket(address, sha256="0" * 64), "cannot be reached")
    refused(
        lambda: lottery.load_ticket(server.address("/b.zip")),
        "cannot be reached: its certificate is not trusted. Look at the address and the network, or fetch",
    )
    refused(
        lambda: lottery.load_ticket("https://127.0.0.1:9/a.zip"),
        r"a.zip' cannot be reached: its host is there, and nothing answers \(connection refused\)",
    )
    refused(lambda: lottery.load_ticket("https://nowhere.invalid/a.zip"), "reached: its host is not known")


@pytest.mark.parametrize("damage", ["a file is cut", "a file is gone", "there is another file"])
def test_a_damaged_copy_is_replaced(server, folder, tmp_path, damage):
    address, content = server.address("/a.zip"), zipped(folder)
    server.pages["/a.zip"] = content
    lottery.load_ticket(address)
    copy = tmp_path / "cache" / "keras_lottery" / "tickets" / told(content)
    whole, weights = files(copy), copy / "weights.safetensors"
    if damage == "a file is cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "a file is gone":
        weights.unlink()
    else:
        (copy / "more").write_text("more")
    assert everything(lottery.load_ticket(address)) == everything(lottery.load_ticket(folder))
    assert files(copy) == whole


ANSWERS = {
    "nothing": ((404, {}, b""), "cannot be fetched: the answer is 404 Not Found. Look at the address"),
    "a page": ((200, {}, b"<html>not a ticket</html>"), "it is no zip file"),
    "no content": ((200, {}, b""), "it is no zip file"),
    "half": ((200, {"Content-Length": 900}, b"x" * 800), "cannot be (fetched|reached)"),
    "compressed once more": (
        (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(2**20))),
        "is sent with Content-Encoding .* put the zip file on another server",
    ),
    "plain http": (
        (302, {"Location": "http://127.0.0.1:9/a.zip"}, b""),
        "cannot be reached|no https address",
    ),
}


@pytest.mark.quick("a page", "plain http", "half")
@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_no_ticket_is_refused_and_forgotten(server, folder, tmp_path, name):
    answer, said = ANSWERS[name]
    server.pages["/a.zip"] = answer
    refused(lambda: lottery.load_ticket(server.address("/a.zip")), said)
    assert not files(tmp_path / "cache")
    server.pages["/a.zip"] = zipped(folder)
    lottery.load_ticket(server.address("/a.zip"))


def test_no_address_leads_to_plain_http(server):
    with hub_server.running() as plain:
        server.pages["/a.zip"] = (302, {"Location": f"{plain.url}/a.zip"}, b"")
        refused(
            lambda: lottery.load_ticket(server.address("/a.zip")), "leads to 'http://.*, which is no https"
        )


def test_addresses_that_are_none(server, folder, monkeypatch):
    for address in ("http://localhost/a.zip", "gs://bucket/a.zip", "file:///etc/passwd", "https:/a.zip"):
        refused(lambda: lottery.load_ticket(address), "is no address of a ticket: give https://|no ticket at")
    refused(lambda: lottery.load_ticket("https://"), "cannot be fetched")
    server.pages["/a.zip"] = zipped(folder)
    monkeypatch.setattr(download, "LARGEST", 1000)
    refused(lambda: lottery.load_ticket(server.address("/a.zip")), "has more than 1,000 bytes")


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, b"/etc/passwd"


def larger(content, name, size):
    """A zip file that says in both places that a file of it unpacks to another size."""
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        real = made.getinfo(name).file_size.to_bytes(4, "little")
    return content.replace(real, size.to_bytes(4, "little"))


HOSTILE = {
    "a name above": (lambda folder: zipped(folder, [("../x", b"")]), "leads out of its folder"),
    "a name from the root": (lambda folder: zipped(folder, [("/tmp/x", b"")]), "leads out of its folder"),
    "a name of Windows": (lambda folder: zipped(folder, [("..\\x", b"")]), "leads out of its folder"),
    "a drive": (lambda folder: zipped(folder, [("C:x", b"")]), "leads out of its folder"),
    "a name above, within": (lambda folder: zipped(folder, top="a/../"), "leads out of its folder"),
    "a link": (lambda folder: zipped(folder, [link("notes")]), "'notes', which is a link"),
    "a link for a file": (lambda folder: zipped(folder, [link("masks.safetensors")]), "which is a link"),
    "two tickets": (
        lambda folder: zipped(folder, [("b/ticket.json", b"{}")]),
        "it holds 2 files ticket.json",
    ),
    "none": (lambda folder: zipped(folder / "none", [("a", b"")]), "it holds 0 files ticket.json"),
    "a folder of that name": (
        lambda folder: zipped(folder / "none", [("ticket.json/", b"")]),
        "it holds 0 files",
    ),
    "a file twice": (
        lambda folder: zipped(folder, [("weights.safetensors", b"other")]),
        "it holds weights.safetensors twice",
    ),
    "a bomb": (
        lambda folder: zipped(folder / "none", [("ticket.json", b" " * 2**25)]),
        "bytes unpack to 33,554,432, more than those of a ticket do",
    ),
    "a bomb by many names": (
        lambda folder: zipped(folder, [(f"{n}", b"") for n in range(30_000)]),
        "it lists more files than any ticket has",
    ),
    "more than it says": (
        lambda folder: larger(zipped(folder / "none", [("ticket.json", b" " * 2**25)]), "ticket.json", 99),
        "no zip file, or a damaged one: .*CRC",
    ),
    "another packing": (
        lambda folder: zipped(folder, method=zipfile.ZIP_LZMA),
        "packed in a way that is not deflate",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_refused_and_leaves_nothing(folder, tmp_path, name):
    make, said = HOSTILE[name]
    (tmp_path / "a.zip").write_bytes(make(folder))
    (tmp_path / "to").mkdir()
    before = files(tmp_path)
    refused(lambda: unpack(tmp_path / "a.zip", tmp_path / "to"), said)
    after = files(tmp_path)
    assert {path for path in after if path not in before} <= {"to/ticket.json"}
    assert len(after.get("to/ticket.json", b"")) < 100


def test_only_the_files_of_a_ticket_are_unpacked(folder, tmp_path):
    more = [("evil.pkl", b"x"), ("__MACOSX/ticket.txt", b"x"), ("mine/deeper/weights.safetensors", b"x")]
    (tmp_path / "a.zip").write_bytes(zipped(folder, more, top="mine/"))
    (tmp_path / "to").mkdir()
    unpack(tmp_path / "a.zip", tmp_path / "to")
    assert files(tmp_path / "to") == {
        path: data for path, data in files(folder).items() if path != "README.md"
    }


def test_altered_zips_are_refused_or_are_the_ticket(folder, tmp_path):
    whole, content, refusals = everything(lottery.load_ticket(folder)), zipped(folder), 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        changed = bytearray(content)
        for place in rng.integers(0, len(changed), 3):
            changed[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "a.zip").write_bytes(changed[: rng.integers(len(changed))] if seed % 6 == 0 else changed)
        (tmp_path / f"{seed}").mkdir()
        try:
            unpack(tmp_path / "a.zip", tmp_path / f"{seed}")
            assert everything(lottery.load_ticket(tmp_path / f"{seed}")) == whole
        except lottery.LotteryError as error:
            refusals += 1
            assert "\n" not in str(error) and len(str(error)) < 600, (seed, str(error))
    assert refusals > 30

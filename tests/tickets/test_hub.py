"""A ticket goes to a hub and comes back the same; of a repository nothing else is fetched."""

import dataclasses
import sys

import hub_server
import pytest
from small import command, dense, everything, files, pruned_ticket, python

import keras_lottery as lottery
from keras_lottery.tickets.ticket_file import FILES

constants = pytest.importorskip("huggingface_hub.constants")

ADDRESS = "hf://me/small"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub of this machine, which huggingface_hub uses with an empty cache."""
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with hub_server.running() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server


@pytest.fixture(scope="module")
def ticket():
    return pruned_ticket(dense())


def refused(use, said):
    with pytest.raises(lottery.LotteryError, match=said) as error:
        use()
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


def test_a_ticket_goes_and_comes_back(hub, ticket):
    first = ticket.push(ADDRESS, license="mit", author="Ada")
    assert [len(hub.repositories), len(hub.repositories["me/small"])] == [1, 2]  # its making, and one commit
    content, commit = hub.files("me/small", "main")
    assert content.keys() - {".gitattributes", "README.md"} == set(FILES) - {"masks.safetensors"}
    assert first == f"{ADDRESS}@{commit}"
    loaded = lottery.load_ticket(ADDRESS)
    assert loaded.info == {**ticket.info, "license": "mit", "author": "Ada"}
    assert everything(loaded) == everything(dataclasses.replace(ticket, info=loaded.info))
    assert hub.fetched() == set(FILES) - {"masks.safetensors"}

    assert ticket.push(ADDRESS, trained=False) != first
    assert (
        lottery.load_ticket(ADDRESS).trained is None
        and "trained.safetensors" not in hub.files("me/small", "main")[0]
    )
    assert everything(lottery.load_ticket(first)) == everything(loaded)


def test_no_path_of_the_authors_machine_is_published(hub, ticket):
    notes = {
        "data": {"name": "/home/ada/my photos", "label": "/home/ada/my photos[cat]"},
        "model": "~/nets/net.keras",
        "command": "lottery-find '--dataset=/home/ada/my photos' --model=~/nets/net.keras",
        "note": "see C:\\Users\\ada\\a.txt, https://a.org/ada and conv/kernel",
    }
    dataclasses.replace(ticket, info=notes).push(ADDRESS)
    content = hub.files("me/small", "main")[0]
    for name in ("README.md", "ticket.json"):
        text = content[name].decode()
        assert not any(place in text for place in ("/home", "~/", "Users")), name
        assert "lottery-find '--dataset=my photos' --model=net.keras" in text
    assert lottery.load_ticket(ADDRESS).info["data"] == {"name": "my photos", "label": "my photos[cat]"}
    assert lottery.load_ticket(ADDRESS).info["note"] == "see a.txt, https://a.org/ada and conv/kernel"


def test_a_pushed_ticket_trains_like_the_first(hub, ticket):
    ticket.push(ADDRESS)
    again, model = lottery.load_ticket(ADDRESS).model("trained"), ticket.model("trained")
    assert all((a == b).all() for a, b in zip(again.get_weights(), model.get_weights()))


def test_only_the_files_of_a_ticket_are_fetched(hub, ticket, tmp_path):
    ticket.push(ADDRESS)
    more = {"evil.pkl": b"x", "deeper/ticket.json": b"{}", "model.keras": b"x", "../ticket.json": b"{}"}
    hub.repositories["me/small"].append({**hub.repositories["me/small"][-1], **more})
    assert everything(lottery.load_ticket(ADDRESS)) == everything(ticket)
    asked = {path.partition("/resolve/")[2].partition("/")[2] for _, path in hub.asked if "/resolve/" in path}
    assert asked == set(FILES) - {"masks.safetensors"}
    there = {path.rpartition("/")[2] for path in files(tmp_path / "cache") if "/snapshots/" in path}
    assert there == asked


def test_what_is_altered_there_is_refused(hub, ticket):
    ticket.push(ADDRESS)
    whole = hub.repositories["me/small"][-1]
    for name in asked_for(whole):
        cut = {**whole, name: whole[name][:-3]}
        hub.repositories["me/small"].append(cut)
        refused(lambda: lottery.load_ticket(ADDRESS), f"{name}.*(cut or altered|damaged|its hash differs)")
    hub.repositories["me/small"].append({"README.md": b"# nothing"})
    refused(lambda: lottery.load_ticket(ADDRESS), "'hf://me/small' holds no ticket: publish one")


def asked_for(content):
    return [name for name in FILES if name in content]


def test_what_is_not_there_is_told(hub, ticket, monkeypatch):
    ticket.push(ADDRESS)
    refused(lambda: lottery.load_ticket("hf://me/none"), "'hf://me/none': there is no such repository")
    refused(lambda: lottery.load_ticket(f"{ADDRESS}@v2"), "no branch, tag or commit of that name")
    for address in (
        "hf://",
        "hf://small",
        "hf://a/b/c",
        f"{ADDRESS}@",
        "hf://me/..",
        f"{ADDRESS}@../x",
        "hf:/me/a",
    ):
        refused(lambda: lottery.load_ticket(address), "is no address on the Hugging Face Hub|no ticket at")
    refused(lambda: ticket.push(f"{ADDRESS}@main"), "names a revision")
    refused(lambda: ticket.push("runs/a"), "is no address on the Hugging Face Hub: give hf://user/name")
    refused(lambda: lottery.load_ticket(ADDRESS, sha256="0" * 64), "sha256 is of a zip file")
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    before = len(hub.repositories["me/small"])
    refused(lambda: ticket.push(ADDRESS), "or you may not use it.*hf auth login")
    assert len(hub.repositories["me/small"]) == before
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    refused(lambda: lottery.load_ticket(ADDRESS), r"pip install 'keras_lottery\[hub\]'")


def test_nothing_is_sent_of_what_cannot_be_saved(hub, ticket):
    refused(lambda: ticket.push(ADDRESS, license="My licence"), "license='My licence' is no identifier")
    refused(lambda: ticket.push(ADDRESS, trained="no"), "trained='no' is impossible")
    refused(lambda: dataclasses.replace(ticket, info={"x": object()}).push(ADDRESS), "which JSON cannot hold")
    assert hub.repositories == {} and hub.asked == []


def test_without_the_internet_a_ticket_is_what_was_fetched(hub, ticket, monkeypatch):
    ticket.push(ADDRESS)
    first = lottery.load_ticket(ADDRESS)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # where nothing answers
    assert everything(lottery.load_ticket(ADDRESS)) == everything(first)
    refused(
        lambda: lottery.load_ticket("hf://me/other"),
        "'hf://me/other': the Hugging Face Hub cannot be used: its host is there, and nothing answers .*Look "
        "at the network and try again",
    )


def test_the_endpoint_is_what_the_environment_says(hub, ticket, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    ticket.save(tmp_path / "ticket")
    code = (
        "import keras_lottery as lottery, sys\n"
        "address = lottery.load_ticket(sys.argv[1]).push('hf://me/other', name='Mine')\n"
        "assert lottery.load_ticket(address).info['name'] == 'Mine'\n"
        "assert not {'tensorflow', 'tf_keras', 'keras'} & set(sys.modules)\n"
    )
    done = python("-c", code, tmp_path / "ticket")
    assert done.returncode == 0, done.stderr[-2000:]
    assert b"# Mine\n" in hub.files("me/other", "main")[0]["README.md"]


@pytest.mark.matrix
def test_commands_take_and_give_addresses(hub, tmp_path):
    pytest.importorskip("ai_edge_litert")
    from apps import export_ticket, push_ticket, transfer_ticket

    flags = [
        "--ticket=lenet-fashion_mnist-95",
        "--output=hf://me/lenet",
        "--license=apache-2.0",
        "--name=LeNet",
    ]
    code, out, err = command(push_ticket, *flags)
    assert (code, err) == (0, "") and "lottery-transfer --ticket=hf://me/lenet@" in out
    commit = hub.files("me/lenet", "main")[1]
    digits = ["--dataset=digits", "--image_size=28", "--epochs=1", "--precision=float32", "--noverbose"]
    code, out, err = command(
        transfer_ticket, f"--ticket=hf://me/lenet@{commit}", *digits, f"--run_dir={tmp_path / 'run'}"
    )
    assert code == 0, err
    student = lottery.load_ticket(tmp_path / "run" / "ticket" / "student")
    assert student.sparsity == lottery.load_ticket("lenet-fashion_mnist-95").sparsity
    card = (tmp_path / "run" / "ticket" / "student" / "README.md").read_text()
    assert "| source | fashion_mnist |\n| target | digits |\n| accuracy | " in card
    assert f"| command | lottery-transfer --ticket=hf://me/lenet@{commit} --epochs=1 --image_size=28 " in card
    output = tmp_path / "net.tflite"
    code, out, err = command(
        export_ticket, "--ticket=hf://me/lenet", f"--output={output}", "--formats=float32"
    )
    assert code == 0 and output.stat().st_size > 0, err
    for flags, said in (
        (
            ["--ticket=lenet-fashion_mnist-95"],
            "publishing needs a ticket and an address, and no output is given",
        ),
        (
            ["--ticket=lenet-fashion_mnist-95", "--output=hf://me/lenet", "--license=MIT!"],
            "--license=MIT! is no identifier",
        ),
    ):
        code, out, err = command(push_ticket, *flags)
        assert code == 2 and said in err and out == "", err

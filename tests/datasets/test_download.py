"""Downloads, from mirrors on this machine: whole and checked files or none, and one clear sentence."""

from __future__ import annotations

import gzip
import hashlib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from convlet.datasets import KMNIST, FashionMNIST, download, read_idx
from mirrors import send, write
from slower import SLOWER

TRAIN = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]


def use(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    monkeypatch.setattr(FashionMNIST, "mirrors", addresses)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_missing_files_are_fetched_once_and_found_again(new_mirror, cache, published, excerpt, monkeypatch):
    mirror = new_mirror()
    mirror.files = published
    use(monkeypatch, mirror.address)
    for _ in range(2):
        data = FashionMNIST()
        np.testing.assert_array_equal(data.images[:, 0], excerpt["train-images-idx3-ubyte"])
    assert mirror.asked == TRAIN
    assert names(cache / "fashion-mnist") == TRAIN
    FashionMNIST(train=False)
    assert len(mirror.asked) == 4


def test_only_the_missing_file_is_fetched(new_mirror, tmp_path, cache, published, monkeypatch):
    mirror = new_mirror()
    mirror.files = published
    use(monkeypatch, mirror.address)
    FashionMNIST(tmp_path)
    (tmp_path / "fashion-mnist" / TRAIN[1]).unlink()
    FashionMNIST(tmp_path)
    assert mirror.asked == [*TRAIN, TRAIN[1]]


def test_files_go_into_root_else_where_the_environment_says_else_into_the_cache(
    new_mirror, tmp_path, cache, published, monkeypatch
):
    mirror = new_mirror()
    mirror.files = published
    use(monkeypatch, mirror.address)
    FashionMNIST()
    (cache / "fashion-mnist").rename(tmp_path / "away")
    monkeypatch.setenv("CONVLET_DATA", str(tmp_path / "named" / "folder"))
    FashionMNIST()
    assert names(tmp_path / "named" / "folder" / "fashion-mnist") == TRAIN
    FashionMNIST(tmp_path / "root", train=False)
    assert len(names(tmp_path / "root" / "fashion-mnist")) == 2
    assert not (cache / "fashion-mnist").exists()


def test_folder_of_the_environment_that_cannot_be_written_to_is_passed_over(
    new_mirror, tmp_path, cache, published, monkeypatch
):
    mirror = new_mirror()
    mirror.files = published
    use(monkeypatch, mirror.address)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CONVLET_DATA", str(tmp_path / "file" / "below"))
    FashionMNIST()
    assert names(cache / "fashion-mnist") == TRAIN


def test_root_that_cannot_be_written_to_is_named(new_mirror, tmp_path, cache, published, monkeypatch):
    mirror = new_mirror()
    use(monkeypatch, mirror.address)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=r"cannot write to .*file"):
        FashionMNIST(tmp_path / "file")
    assert mirror.asked == []


def refuse(handler):
    handler.send_error(503)


def cut_off(handler):
    send(handler, b"\x1f\x8b only the beginning", promised_bytes=100_000)


def other_bytes(handler):
    send(handler, gzip.compress(b"another file"))


def web_page(handler):
    send(handler, b"<html>Please log in to the network of this hotel</html>")


def broken_gzip(handler):
    send(handler, b"\x1f\x8b\x08" + bytes(50))


def hang_up(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


FAULTS = [
    (refuse, "answered 503"),
    (cut_off, "cut off"),
    (other_bytes, "other bytes: expected sha256"),
    (web_page, "other bytes: expected sha256"),
    (broken_gzip, "corrupt gzip data"),
    (hang_up, "not reachable"),
]


@pytest.mark.parametrize("fault, reason", FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_mirror_that_fails_is_left_for_the_next(new_mirror, cache, published, monkeypatch, fault, reason):
    bad, good = new_mirror(), new_mirror()
    bad.answer, good.files = fault, published
    use(monkeypatch, bad.address, good.address)
    assert len(FashionMNIST()) == 12
    assert bad.asked == TRAIN[:1]
    assert good.asked == TRAIN
    assert names(cache / "fashion-mnist") == TRAIN


@pytest.mark.parametrize("fault, reason", FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_where_every_mirror_fails_one_sentence_says_how_and_what_to_do(
    new_mirror, cache, published, monkeypatch, fault, reason
):
    mirrors = [new_mirror(), new_mirror()]
    for mirror in mirrors:
        mirror.answer = fault
    use(monkeypatch, *(mirror.address for mirror in mirrors))
    with pytest.raises(ConnectionError) as caught:
        FashionMNIST()
    said = str(caught.value)
    assert said.count(reason) >= 2
    for word in (
        *(mirror.address for mirror in mirrors),
        *TRAIN,
        str(cache / "fashion-mnist"),
        "--data digits",
    ):
        assert word in said
    assert "\n" not in said
    assert names(cache / "fashion-mnist") == []


def test_file_cut_off_without_a_promised_length_is_refused(new_mirror, cache, published, monkeypatch):
    def close_early(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(published[TRAIN[0]][:-20])

    mirror = new_mirror()
    mirror.answer = close_early
    use(monkeypatch, mirror.address)
    with pytest.raises(ConnectionError, match="cut off"):
        FashionMNIST()


def test_mirror_that_packs_anew_or_unpacks_is_as_good(new_mirror, cache, published, excerpt, monkeypatch):
    mirror = new_mirror()
    mirror.files = {name: gzip.compress(gzip.decompress(data), 1) for name, data in published.items()}
    mirror.files[TRAIN[1]] = gzip.decompress(published[TRAIN[1]])
    use(monkeypatch, mirror.address)
    np.testing.assert_array_equal(FashionMNIST().labels, excerpt["train-labels-idx1-ubyte"])


def test_kmnist_is_checked_by_the_file_as_it_is(new_mirror, cache, packed, monkeypatch):
    mirror = new_mirror()
    digests = {name: f"packed-sha256:{hashlib.sha256(data).hexdigest()}" for name, data in packed.items()}
    monkeypatch.setattr(KMNIST, "digests", digests)
    monkeypatch.setattr(KMNIST, "mirrors", (mirror.address,))
    mirror.files = packed
    assert len(KMNIST()) == 12
    mirror.files = {name: gzip.compress(gzip.decompress(data), 1) for name, data in packed.items()}
    with pytest.raises(ConnectionError, match="other bytes: expected sha256"):
        KMNIST(train=False)


def test_stream_that_never_ends_is_stopped(new_mirror, cache, published, monkeypatch):
    monkeypatch.setattr(download, "_LARGEST_BYTES", 1 << 20)

    def pour(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(bytes(1 << 16))

    def bomb(handler):
        send(handler, gzip.compress(bytes(5 << 20)))

    mirrors = [new_mirror(), new_mirror()]
    mirrors[0].answer, mirrors[1].answer = pour, bomb
    for (
        mirror
    ) in mirrors:  # the server's own complaint about the closed connection is no business of the test
        mirror.server.handle_error = lambda *_: None
    use(monkeypatch, *(mirror.address for mirror in mirrors))
    with pytest.raises(
        ConnectionError, match=r"more than 1048576 bytes\).*unpacks to more than 1048576 bytes\)"
    ):
        FashionMNIST()


def test_silent_mirrors_are_given_up_within_seconds(new_mirror, cache, published, monkeypatch):
    monkeypatch.setattr(download, "_READ_SECONDS", 0.2)
    done = threading.Event()
    mirror = new_mirror()
    mirror.answer = lambda handler: done.wait(10)
    use(monkeypatch, mirror.address, "http://127.0.0.1:9/")
    begin = time.perf_counter()
    with pytest.raises(ConnectionError, match=r"timed out\), http://127.0.0.1:9/ \(not reachable\)"):
        FashionMNIST()
    done.set()
    assert time.perf_counter() - begin < 5 * SLOWER


def test_resolver_that_never_answers_is_given_up_within_seconds(cache, published, monkeypatch):
    monkeypatch.setattr(download, "_CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(download, "getproxies", dict)
    done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: done.wait(10))
    use(monkeypatch, "http://nowhere.example/", "http://elsewhere.example/")
    begin = time.perf_counter()
    with pytest.raises(
        ConnectionError, match=r"nowhere.example/ \(timed out\), .*elsewhere.example/ \(timed out\)"
    ):
        FashionMNIST()
    done.set()
    assert time.perf_counter() - begin < 5 * SLOWER


FETCH = """
import sys
from pathlib import Path
from convlet.datasets.download import fetch
fetch("set", Path(sys.argv[1]), {sys.argv[3]: sys.argv[4]}, [sys.argv[2]])
"""


def test_processes_that_fetch_at_once_leave_one_whole_file(new_mirror, tmp_path, published):
    together = threading.Barrier(3, timeout=20 * SLOWER)
    mirror = new_mirror()

    def slowly(handler):
        together.wait()  # every process is past its look at the folder
        send(handler, published[TRAIN[0]])

    mirror.answer = slowly
    command = [
        sys.executable,
        "-c",
        FETCH,
        str(tmp_path),
        mirror.address,
        TRAIN[0],
        FashionMNIST.digests[TRAIN[0]],
    ]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60 * SLOWER) for process in processes] == [0, 0, 0]
    assert len(mirror.asked) == 3
    assert TRAIN[0] in names(tmp_path)
    assert not [name for name in names(tmp_path) if name.endswith(".tmp")]
    assert read_idx(tmp_path / TRAIN[0]).shape == (12, 28, 28)


def test_process_that_is_killed_halfway_leaves_nothing_and_the_next_fetches_the_file(
    new_mirror, tmp_path, published
):
    halfway, done = threading.Event(), threading.Event()
    content = published[TRAIN[0]]

    def stall(handler):
        send(handler, content[: len(content) // 2], promised_bytes=len(content))
        halfway.set()
        done.wait(20)

    mirror = new_mirror()
    mirror.answer = stall
    digest = FashionMNIST.digests[TRAIN[0]]
    command = [sys.executable, "-c", FETCH, str(tmp_path / "data"), mirror.address, TRAIN[0], digest]
    with subprocess.Popen(command) as process:
        assert halfway.wait(20)
        process.kill()
    done.set()
    assert names(tmp_path / "data") == []
    mirror.answer, mirror.files = None, published
    subprocess.run(command, check=True)
    assert names(tmp_path / "data") == TRAIN[:1]
    assert (tmp_path / "data" / TRAIN[0]).read_bytes() == content


def test_data_set_that_is_there_loads_no_download_library(tmp_path, excerpt):
    write(tmp_path, excerpt)
    script = (
        "import sys; from convlet import datasets; datasets.MNIST(sys.argv[1]); "
        "assert not {'pooch', 'requests', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)

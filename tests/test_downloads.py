"""Tests of `s2s_keras.corpora.downloads` against a server on the loopback interface."""

import concurrent.futures
import gzip
import hashlib
import http.server
import os
import random
import signal
import socket
import struct
import threading
from pathlib import Path

import pytest

from s2s_keras import corpora
from s2s_keras.corpora import downloads

CONTENT = random.Random(0).randbytes(300_000)
HALF = len(CONTENT) // 2
PATH = "letters/content.bin"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `CONTENT` in the way that the last part of the address names."""

    def do_GET(self):
        self.server.requests.append(self.path)
        getattr(self, "send_" + self.path.rpartition("/")[2])()

    def headers_and(self, body, length=None, encoding=None):
        self.send_response(200)
        self.send_header("Content-Length", str(length or len(body)))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def send_whole(self):
        self.headers_and(CONTENT[:HALF], len(CONTENT))
        self.server.seen_halfway = files_below(Path(os.environ["XDG_CACHE_HOME"]))
        self.wfile.write(CONTENT[HALF:])

    def send_compressed(self):
        self.headers_and(gzip.compress(CONTENT), encoding="gzip")

    def send_tatoeba(self):
        self.headers_and(self.server.tatoeba)

    def send_truncated(self):
        self.headers_and(CONTENT[:HALF], len(CONTENT))

    def send_shorter(self):
        self.headers_and(CONTENT[:HALF])

    def send_altered(self):
        self.headers_and(CONTENT[:HALF] + b"?" + CONTENT[HALF + 1 :])

    def send_empty(self):
        self.headers_and(b"")

    def send_missing(self):
        self.send_error(404)

    def send_dropped(self):
        self.headers_and(CONTENT[:HALF], len(CONTENT))
        reset_on_close = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_on_close)
        self.connection.close()

    def send_stalled(self):
        self.headers_and(CONTENT[:HALF], len(CONTENT))
        self.server.finished.wait(10)

    def send_interrupted(self):
        self.headers_and(CONTENT[:HALF], len(CONTENT))
        os.kill(os.getpid(), signal.SIGINT)
        self.server.finished.wait(10)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Stays silent when a client or a handler has closed the connection."""


@pytest.fixture
def server():
    server = Server(("127.0.0.1", 0), Handler)
    server.requests = []
    server.finished = threading.Event()
    server.address = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.finished.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, no supplied copies, no proxy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("S2S_KERAS_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    if tmp_path not in downloads.cached_copy(PATH).parents:
        pytest.skip("this system has no environment variable for the cache's place")
    return tmp_path / "cache"


@pytest.fixture
def publish(monkeypatch):
    """Enters an address for a path into the table of published files."""

    def enter(url, path=PATH, content=CONTENT):
        sha256 = hashlib.sha256(content).hexdigest()
        file = downloads.PublishedFile(url, sha256)
        monkeypatch.setitem(downloads.FILES, path, file)

    return enter


@pytest.fixture
def supplied(tmp_path, monkeypatch):
    """The place of a copy below S2S_KERAS_DATA; there is none yet."""
    monkeypatch.setenv("S2S_KERAS_DATA", str(tmp_path / "supplied"))
    copy = tmp_path / "supplied" / PATH
    copy.parent.mkdir(parents=True)
    return copy


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("answer", ["whole", "compressed"])
def test_a_download_is_stored_under_its_name_and_nothing_else(
    server, publish, cache, answer, capfd
):
    publish(server.address + answer)
    copy = downloads.fetch(PATH)
    assert copy.read_bytes() == CONTENT
    assert files_below(cache) == [copy]
    assert "100%" in capfd.readouterr().err


def test_the_final_name_appears_only_with_the_whole_file(server, publish):
    publish(server.address + "whole")
    copy = downloads.fetch(PATH)
    assert copy not in server.seen_halfway
    assert len(server.seen_halfway) == 1


def test_the_second_fetch_asks_nobody(server, publish):
    publish(server.address + "whole")
    assert not downloads.is_here(PATH)
    assert downloads.fetch(PATH) == downloads.fetch(PATH)
    assert downloads.is_here(PATH)
    assert server.requests == ["/whole"]


def test_several_at_once_all_get_the_whole_file(server, publish, cache):
    publish(server.address + "whole")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        copies = set(pool.map(downloads.fetch, [PATH] * 4))
    assert [copy.read_bytes() for copy in copies] == [CONTENT]
    assert files_below(cache) == list(copies)


@pytest.mark.parametrize(
    "answer",
    ["truncated", "shorter", "altered", "empty", "missing", "dropped", "stalled"],
)
def test_a_failed_download_says_what_to_do_and_leaves_nothing(
    server, publish, cache, answer, monkeypatch
):
    if answer == "stalled":
        monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.2)
    publish(server.address + answer)
    with pytest.raises(corpora.DataUnavailable) as raised:
        downloads.fetch(PATH)
    message = str(raised.value)
    assert server.address + answer in message
    assert str(downloads.cached_copy(PATH)) in message
    assert "S2S_KERAS_DATA (not set)" in message
    assert f"save it as FOLDER/{PATH} and set S2S_KERAS_DATA=FOLDER" in message
    assert isinstance(raised.value, OSError)
    assert server.requests == ["/" + answer]
    assert files_below(cache) == []


def test_an_unreachable_server_is_reported(publish, cache):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    publish(f"http://127.0.0.1:{port}/whole")
    with pytest.raises(corpora.DataUnavailable, match=f"http://127.0.0.1:{port}/whole"):
        downloads.fetch(PATH)
    assert files_below(cache) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_an_interrupted_download_leaves_nothing(server, publish, cache):
    publish(server.address + "interrupted")
    # A shell starts background jobs with SIGINT ignored; then Python ignores it too.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            downloads.fetch(PATH)
    finally:
        signal.signal(signal.SIGINT, former)
    assert files_below(cache) == []


def test_a_failed_download_is_not_remembered(server, publish):
    publish(server.address + "dropped")
    with pytest.raises(corpora.DataUnavailable):
        downloads.fetch(PATH)
    publish(server.address + "whole")
    assert downloads.fetch(PATH).read_bytes() == CONTENT


def test_a_cache_that_cannot_be_written_is_reported(server, publish, cache):
    cache.write_text("a file where the folder should be")
    publish(server.address + "whole")
    with pytest.raises(corpora.DataUnavailable, match="S2S_KERAS_DATA=FOLDER"):
        downloads.fetch(PATH)


def test_a_wrong_file_in_the_cache_is_fetched_again(server, publish):
    publish(server.address + "whole")
    copy = downloads.cached_copy(PATH)
    copy.parent.mkdir(parents=True)
    copy.write_bytes(CONTENT[:HALF])
    assert downloads.fetch(PATH) == copy
    assert copy.read_bytes() == CONTENT


def test_a_supplied_copy_comes_before_the_cache_and_the_network(
    server, publish, supplied
):
    publish(server.address + "whole")
    supplied.write_bytes(CONTENT)
    assert downloads.fetch(PATH) == supplied
    assert server.requests == []
    assert downloads.is_here(PATH)


def test_a_wrong_supplied_copy_is_refused(server, publish, supplied):
    publish(server.address + "whole")
    supplied.write_bytes(CONTENT[:HALF])
    with pytest.raises(ValueError) as raised:
        downloads.fetch(PATH)
    message = str(raised.value)
    assert str(supplied) in message
    assert hashlib.sha256(CONTENT).hexdigest() in message
    assert hashlib.sha256(CONTENT[:HALF]).hexdigest() in message
    assert "Replace it" in message
    assert server.requests == []


def test_a_folder_without_the_file_leads_to_the_network(server, publish, supplied):
    publish(server.address + "whole")
    assert downloads.fetch(PATH) == downloads.cached_copy(PATH)
    assert server.requests == ["/whole"]


def test_a_corpus_loads_from_the_network_then_from_the_cache(server, publish):
    lines = [f"Sentence {n}.\t這是第 {n} 句。\tcredits" for n in range(100)]
    server.tatoeba = "\n".join(lines).encode()
    publish(server.address + "tatoeba", "tatoeba/cmn.txt", server.tatoeba)
    first = corpora.tatoeba.read()
    second = corpora.tatoeba.read()
    assert (first.train, first.valid, first.test) == (
        second.train,
        second.valid,
        second.test,
    )
    assert len(first.train + first.valid + first.test) == 100
    assert first.train[0].source.startswith("这是第")
    assert server.requests == ["/tatoeba"]

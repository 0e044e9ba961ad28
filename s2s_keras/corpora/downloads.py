"""Published files: where they are, and how a verified copy gets here."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pooch

TIMEOUT_SECONDS = 30


class DataUnavailable(OSError):
    """A published file is not on this machine and could not be downloaded."""


@dataclasses.dataclass(frozen=True)
class PublishedFile:
    """A file's public address and checksum."""

    url: str
    sha256: str


_MULTI30K = (
    "https://raw.githubusercontent.com/multi30k/dataset/"
    "a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw/"
)
_TATOEBA = (
    "https://raw.githubusercontent.com/vvvLong/BiLSTM_Seq2Seq_with_Attention/"
    "25530967f38089e196df9cce92bf11c5ed187442/data/"
)
_SCAN = (
    "https://raw.githubusercontent.com/brendenlake/SCAN/"
    "c4b756cbc010d75c912f16c42c8f15dc6b7e6c8f/simple_split/"
)

# By the path that a copy has below S2S_KERAS_DATA and below the cache.
FILES = {
    "multi30k/train.de.gz": PublishedFile(
        _MULTI30K + "train.de.gz",
        "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    ),
    "multi30k/train.en.gz": PublishedFile(
        _MULTI30K + "train.en.gz",
        "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    ),
    "multi30k/val.de.gz": PublishedFile(
        _MULTI30K + "val.de.gz",
        "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    ),
    "multi30k/val.en.gz": PublishedFile(
        _MULTI30K + "val.en.gz",
        "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    ),
    "multi30k/test_2016_flickr.de.gz": PublishedFile(
        _MULTI30K + "test_2016_flickr.de.gz",
        "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    ),
    "multi30k/test_2016_flickr.en.gz": PublishedFile(
        _MULTI30K + "test_2016_flickr.en.gz",
        "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    ),
    "scan/tasks_train_simple.txt": PublishedFile(
        _SCAN + "tasks_train_simple.txt",
        "941bb8a088c5f53ceff12fde902dc008933cf0c4203cc672c47b5f79d73262dd",
    ),
    "scan/tasks_test_simple.txt": PublishedFile(
        _SCAN + "tasks_test_simple.txt",
        "1fe1c8f5a19d0dc40e41bab94278f45f66f3dc415a978bd29855a23440610fc6",
    ),
    "tatoeba/cmn.txt": PublishedFile(
        _TATOEBA + "cmn.txt",
        "ea9fff40aedc0f601d3267c2ca5dd6203972c6fd3fd777aa5b40d7dfb18a088d",
    ),
}


def fetch(path: str) -> Path:
    """Returns where a verified copy of a published file lies on this machine.

    It looks in the folder that the environment variable S2S_KERAS_DATA names, then in
    the user's cache. It downloads the file into the cache when neither has it.

    Args:
        path: one of the keys of `FILES`, such as "tatoeba/cmn.txt".

    Raises:
        ValueError: the copy in S2S_KERAS_DATA is not the published file.
        DataUnavailable: there is no copy, and the download failed.
    """
    file = FILES[path]
    supplied = supplied_copy(path)
    if supplied is not None:
        return supplied
    cached = cached_copy(path)
    if _is_published(cached, file):
        return cached
    return _download(path, file, cached)


def supplied_copy(path: str) -> Path | None:
    """Returns the verified copy below S2S_KERAS_DATA, None where there is none.

    Raises:
        ValueError: the copy is not the published file.
    """
    folder = os.environ.get("S2S_KERAS_DATA")
    copy = Path(folder, path).expanduser() if folder else None
    if copy is None or not copy.is_file():
        return None
    if not _is_published(copy, FILES[path]):
        raise ValueError(
            f"{copy} is not the published file: its SHA-256 must be "
            f"{FILES[path].sha256}, received {pooch.file_hash(copy)}. Replace it with "
            f"{FILES[path].url}, or remove it to have it downloaded."
        )
    return copy


def cached_copy(path: str) -> Path:
    """Returns where the user's cache keeps a file, whether it is there or not."""
    return Path(pooch.os_cache("s2s_keras"), path)


def is_here(path: str) -> bool:
    """Tells whether `fetch(path)` finds a verified copy without the network."""
    return supplied_copy(path) is not None or _is_published(
        cached_copy(path), FILES[path]
    )


def _is_published(copy: Path, file: PublishedFile) -> bool:
    return copy.is_file() and pooch.file_hash(copy) == file.sha256


def _download(path: str, file: PublishedFile, cached: Path) -> Path:
    # pooch writes to a temporary name in the same folder, compares the checksum, then
    # renames; it removes the temporary file whatever happens.
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT_SECONDS)
    try:
        pooch.retrieve(
            file.url,
            known_hash=f"sha256:{file.sha256}",
            fname=cached.name,
            path=cached.parent,
            downloader=downloader,
        )
    except (OSError, ValueError) as error:
        folder = os.environ.get("S2S_KERAS_DATA") or "not set"
        raise DataUnavailable(
            f"{path} is not on this machine and could not be downloaded.\n"
            f"Tried: S2S_KERAS_DATA ({folder}); the cache ({cached}); {file.url} "
            f"({type(error).__name__}: {error}).\n"
            "Check the network and try again. Or download that address in another "
            f"way, save it as FOLDER/{path} and set S2S_KERAS_DATA=FOLDER."
        ) from error
    return cached

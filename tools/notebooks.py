"""Runs, stores, checks and stamps the notebooks; `make help` lists the commands."""

from __future__ import annotations

import argparse
import base64
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import nbclient
import nbconvert
import nbformat
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
BUILD = ROOT / "build"
PICTURES = ROOT / "docs"

# TensorFlow's C++ part logs to file descriptor 2, whatever its log level says.
# Captured, these lines would become outputs that other machines do not repeat.
KERNEL_ARGUMENTS = [
    "--IPKernelApp.capture_fd_output=False",
    "--IPKernelApp.log_level=ERROR",
]

FIND_PACKAGE = """\
# Use the s2s_keras of the checkout around this notebook, or else the installed one.
import importlib.util
import pathlib
import sys

here = pathlib.Path.cwd()
checkouts = [f for f in (here, *here.parents) if (f / "s2s_keras/__init__.py").exists()]
sys.path[:0] = map(str, checkouts[:1])
if importlib.util.find_spec("s2s_keras") is None:
"""
EXPLAIN = """\
    raise ModuleNotFoundError(
        "s2s_keras is neither installed nor in a folder above this notebook. Open it "
        "in a clone of the repository, or pip install git+https://github.com/OWNER/REPO"
    )"""
INSTALL = "    %pip install --quiet git+{address}"
GITHUB = "https://github.com/{repository}"
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/main/{path})"
)

NOT_REPEATABLE = {
    "a path of this machine": r"(?<![\w./<\\])(?:/[\w.+~-]+){2,}|\bfile:/+\w"
    r"|\b[A-Z]:[\\/]\w",
    "a date": r"\b20\d\d-\d\d-\d\d",
    "a time of day": r"\b\d?\d:\d\d:\d\d\b",
    "a memory address": r"\b0x[0-9a-fA-F]{8,}\b",
    "a traceback": r"Traceback \(most recent call last\)",
}
METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def every_notebook() -> list[Path]:
    """Find the notebooks and the solutions, in reading order."""
    return sorted(FOLDER.glob("*.ipynb")) + sorted(FOLDER.glob("solutions/*.ipynb"))


def read(path: Path) -> NotebookNode:
    """Read a notebook in today's format."""
    return nbformat.read(path, as_version=4)


def write(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook whole or not at all, without what a single run leaves in it."""
    kept = {k: v for k, v in notebook.metadata.items() if k == "s2s_keras"}
    notebook.metadata = nbformat.from_dict({**METADATA, **kept})
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
    write_text(path, nbformat.writes(notebook) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole, or leave it as it was."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    """Find the cells that carry a tag."""
    return [c for c in notebook.cells if tag in c.metadata.get("tags", [])]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Find the cells that run."""
    return [c for c in notebook.cells if c.cell_type == "code"]


def missing_data(notebook: NotebookNode) -> str | None:
    """Say which corpus a notebook needs and this machine cannot get.

    The notebook names its corpora in its metadata: `{"s2s_keras": {"needs": [...]}}`.

    Returns:
        A sentence, or None where nothing is missing.
    """
    needs = notebook.metadata.get("s2s_keras", {}).get("needs", [])
    if needs:
        from s2s_keras import corpora
    for name in needs:
        try:
            corpora.load(name)
        except corpora.DataUnavailable as error:
            reason = str(error).partition("\n")[0]
            return f"It needs the corpus {name!r}. {reason}"
    return None


def execute(path: Path, notebook: NotebookNode, show: bool = False) -> None:
    """Run a notebook from its own folder and keep its outputs in `notebook`.

    Args:
        path: where the notebook lies.
        notebook: its content, changed in place.
        show: print the text of the cells tagged `result` as they finish.

    Raises:
        CellExecutionError: a cell raised.
        DeadKernelError: the kernel ended; build/kernel.log has its last words.
    """

    def print_result(cell: NotebookNode, **_: object) -> None:
        if "result" in cell.metadata.get("tags", []):
            for _, text in texts(cell):
                print(text, flush=True)

    client = nbclient.NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=KERNEL_ARGUMENTS,
        coalesce_streams=True,
        record_timing=False,
        on_cell_executed=print_result if show else None,
    )
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / "kernel.log", "w", encoding="utf-8") as log:
        client.execute(stderr=log)


def texts(cell: NotebookNode) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each output of a cell that is not a picture."""
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            yield output.name, output.text.rstrip("\n")
        elif output.output_type == "error":
            yield "error", f"{output.ename}: {output.evalue}"
        elif "image/png" not in output.data:
            for kind, text in output.data.items():
                if kind.startswith("text/"):
                    yield kind, text


def output_problems(notebook: NotebookNode) -> list[str]:
    """List what in the outputs would differ elsewhere, or should not be seen."""
    found = []
    for number, cell in enumerate(code_cells(notebook), start=1):
        for kind, text in texts(cell):
            if kind in ("stderr", "error"):
                found.append(f"code cell {number} wrote to {kind}: {text[:300]}")
            for what, pattern in NOT_REPEATABLE.items():
                if match := re.search(pattern, text):
                    found.append(f"code cell {number} shows {what}: {match[0]}")
    return found


def store(path: Path) -> None:
    """Execute a notebook and store its outputs in it, if they are fit to be kept."""
    notebook = read(path)
    if reason := missing_data(notebook):
        print(f"{path.name} keeps its old outputs. {reason}")
        return
    start = time.monotonic()
    execute(path, notebook)
    if problems := output_problems(notebook):
        sys.exit("\n".join([f"{path.name} is not stored:", *problems]))
    write(path, notebook)
    for picture in figures(notebook):
        PICTURES.mkdir(exist_ok=True)
        (PICTURES / f"{path.stem}.png").write_bytes(picture)
    print(f"{path.name} stored, {time.monotonic() - start:.0f} s")


def figures(notebook: NotebookNode) -> list[bytes]:
    """Collect the pictures of the cells tagged `figure`, which README shows."""
    outputs = [o for cell in tagged(notebook, "figure") for o in cell.outputs]
    pictures = [
        o.data["image/png"] for o in outputs if "image/png" in o.get("data", {})
    ]
    return [base64.b64decode(picture) for picture in pictures]


def show(path: Path) -> None:
    """Execute a notebook, print its results and write it as a page with figures."""
    notebook = read(path)
    print(f"Running {path.name}; its results follow as they come.\n", flush=True)
    start = time.monotonic()
    execute(path, notebook, show=True)
    page, _ = nbconvert.HTMLExporter().from_notebook_node(
        notebook, resources={"metadata": {"name": path.stem}}
    )
    target = BUILD / f"{path.stem}.html"
    target.write_text(page, encoding="utf-8")
    print(
        f"\nDone in {time.monotonic() - start:.0f} s. "
        f"The same with its figures and explanations: {os.path.relpath(target)}"
    )


def setup_source(address: str | None = None) -> str:
    """Write the first code cell of a notebook.

    Args:
        address: the repository that pip installs where the package is missing; None
            to explain what to do instead.
    """
    return FIND_PACKAGE + (INSTALL.format(address=address) if address else EXPLAIN)


def stamped_for(notebook: NotebookNode) -> str | None:
    """Find the `owner/name` that a notebook is stamped for; None without a stamp."""
    for badge in tagged(notebook, "colab-badge"):
        if match := re.search(r"/github/([^/]+/[^/]+)/blob/", badge.source):
            return match[1]
    return None


def stamp(notebook: NotebookNode, path: str, repository: str) -> None:
    """Let a notebook open in Colab and install the package there.

    Stamping again, for the same repository or another, replaces the first stamp.

    Args:
        notebook: changed in place.
        path: its path in the repository.
        repository: owner and name, as `owner/name`.

    Raises:
        ValueError: `repository` is not of that form, or no cell is tagged `setup`.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise ValueError(
            f"Say which repository on GitHub the notebooks are in, as "
            f"`make colab REPO=owner/name`. Received: {repository!r}"
        )
    setup = tagged(notebook, "setup")
    if not setup:
        raise ValueError(f"{path} has no cell tagged 'setup'; see CONTRIBUTING.md.")
    setup[0].source = setup_source(GITHUB.format(repository=repository))
    if not tagged(notebook, "colab-badge"):
        badge = nbformat.v4.new_markdown_cell(
            id="colab-badge", metadata={"tags": ["colab-badge"]}
        )
        notebook.cells.insert(0, badge)
    tagged(notebook, "colab-badge")[0].source = BADGE.format(
        repository=repository, path=path
    )


def stamp_all(repository: str) -> None:
    """Stamp every notebook, or none where one cannot be stamped."""
    stamped = {path: read(path) for path in every_notebook()}
    for path, notebook in stamped.items():
        stamp(notebook, path.relative_to(ROOT).as_posix(), repository)
    for path, notebook in stamped.items():
        write(path, notebook)
    print(f"{len(stamped)} notebooks open in Colab from {repository}.")


def rehearse_colab(path: Path) -> None:
    """Execute a notebook the way Colab does: alone, with the package not there.

    A new environment has Jupyter's kernel and no more. The notebook lies alone in an
    empty folder, and its first cell installs the last commit of this checkout.
    """
    with tempfile.TemporaryDirectory() as folder:
        notebook = read(path)
        tagged(notebook, "setup")[0].source = setup_source(ROOT.as_uri())
        alone = Path(folder, "content", path.name)
        alone.parent.mkdir()
        nbformat.write(notebook, alone)
        venv.create(Path(folder, "venv"), with_pip=True)
        programs = Path(folder, "venv", "bin")
        for command in (
            ["pip", "install", "--quiet", "ipykernel", "nbclient"],
            ["jupyter-execute", alone.name],
        ):
            program, *arguments = command
            subprocess.run(
                [programs / program, *arguments], cwd=alone.parent, check=True
            )
    print(f"{path.name} runs alone, from an empty folder.")


FAILURES = (ValueError, OSError, CellExecutionError, subprocess.CalledProcessError)


def main() -> None:
    """Carry out one command of the Makefile."""
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks")
    commands = parser.add_subparsers(required=True)
    for action in (show, store, rehearse_colab):
        command = commands.add_parser(action.__name__, help=action.__doc__)
        command.add_argument("paths", nargs="*", type=Path)
        command.set_defaults(action=action)
    commands.add_parser("stamp").add_argument("repository")
    asked = parser.parse_args()
    try:
        if "repository" in asked:
            stamp_all(asked.repository)
        else:
            for path in asked.paths or every_notebook():
                asked.action(path.resolve())
    except FAILURES as error:
        sys.exit(str(error))
    except DeadKernelError:
        sys.exit("The kernel ended; build/kernel.log has its last words.")


if __name__ == "__main__":
    main()

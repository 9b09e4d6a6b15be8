"""The numbers that fite is held to, measured on this machine: `just bench`.

Each compares fite with a rival in turns within one run. Ends with 1 where a bar is missed. Wants an
idle machine.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measuring import Row, machine, quiet, report

ROOT = Path(__file__).parent.parent
RESULTS = "benchmarks/RESULTS.md"
NOTHING = (
    "Not measured: it needs the public benchmark (FITE_PUBLISHED, a folder with TomBERT in it), or "
    "PostgreSQL's programs."
)


def start(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """How long people wait for the first answer."""
    from benchmarks import start

    yield from start.rows(folder, options.repeats)


def ingest(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """How fast tweets come in."""
    from benchmarks import ingest

    yield from ingest.rows(folder, options.repeats)


def classify(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """How fast aspects with cached features are classified; needs the public benchmark."""
    from benchmarks import classify

    if options.published is not None:
        yield from classify.rows(options.published, folder, options.repeats, options.threads)


def train(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """How fast a model learns; needs the public benchmark."""
    from benchmarks import train

    if options.published is not None:
        yield from train.rows(options.published, folder, options.repeats, options.threads)


def vision(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """What the work on pictures costs."""
    from benchmarks import vision

    yield from vision.faces(
        folder,
        options.repeats,
        options.threads,
        networks=options.networks,
        pictures=options.pictures,
    )
    if options.published is not None:
        yield from vision.encodings(options.published, folder)
    yield vision.memory(folder)


def size(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """What a big store costs."""
    from benchmarks import size

    yield from size.rows(folder, options.tweets)


def scale(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """How a store grows, simulated."""
    from benchmarks import scale

    yield from scale.rows(folder)


def writers(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """What many processes bring to one PostgreSQL server; needs its programs."""
    from benchmarks import writers
    from tests.postgres import programs

    if programs() is not None:
        yield from writers.rows()


PARTS: dict[str, Callable[[argparse.Namespace, Path], Iterator[Row]]] = {
    "start": start,
    "ingest": ingest,
    "classify": classify,
    "train": train,
    "vision": vision,
    "size": size,
    "scale": scale,
    "writers": writers,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--repeats", type=int, default=5, help="turns that are counted")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--networks", choices=("small", "vgg"), default="vgg")
    parser.add_argument(
        "--pictures", type=int, default=256, help="of one run, for the speed of faces"
    )
    parser.add_argument("--tweets", type=int, default=1_000_000, help="of the big store")
    parser.add_argument("--output", type=Path, help=f"also write the tables, as {RESULTS}")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    place = Path(os.environ.get("FITE_PUBLISHED") or ROOT.parent / "shared" / "published")
    options.published = place if (place / "TomBERT").is_dir() else None
    return options


def main() -> None:
    options = arguments()
    warnings.simplefilter("ignore")
    pages, held = [f"# Results\n\n{machine()}; medians of {options.repeats} turns."], True
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder, quiet():
            rows = list(PARTS[part](options, Path(folder)))
        pages.append(f"## {part.capitalize()}\n\n{report(rows) if rows else NOTHING}")
        held = held and all(row.held is not False for row in rows)
    text = "\n\n".join(pages) + "\n"
    sys.stdout.write(text)
    if options.output:
        options.output.write_text(text, "utf-8")
    if not held:
        sys.exit(1)


if __name__ == "__main__":
    main()

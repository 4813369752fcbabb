"""Count the words of many texts, each in a task of one array: ``python -m slurm.examples.map_reduce``.

::

    count_words (workflow)
      count.map(texts)      one native Slurm array, a text to an item
        -> merge(counts)    one job that starts when the whole array has completed
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from slurm import Cluster, WorkflowContext, task, workflow
from slurm.errors import ConfigError, RemoteFileError
from slurm.examples import command_line

PROGRAM = "map_reduce"
TEXTS, RESULT = "texts", "word_counts.json"
MOST_FREQUENT = 5
SENTENCES = (
    "A job waits in the queue until the nodes it asked for are free.",
    "The scheduler starts the job, and the job writes its result.",
    "An array is many jobs in one submission, each with an index of its own.",
    "What one job leaves, the next job reads.",
    "A node that fails takes its jobs with it; the queue does not.",
)


@task(time="00:05:00", mem="200M")
def count(path: str) -> dict[str, int]:
    """How often each word is in the text at `path`."""
    words = re.findall(r"\w+", Path(path).read_text("utf-8").lower())
    return dict(collections.Counter(words))


@task(time="00:05:00", mem="200M")
def merge(counts: list[dict[str, int]], path: str) -> dict[str, int]:
    """Add up the counts of all texts and write them to `path`, the most frequent word first."""
    total: collections.Counter[str] = collections.Counter()
    for one in counts:
        total.update(one)
    ordered = dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))
    write_json(Path(path), ordered)
    return ordered


@workflow(time="01:00:00", mem="200M")
def count_words(
    ctx: WorkflowContext, workdir: str, texts: list[str], max_concurrent: int | None, pack: int
) -> dict[str, int]:
    """Count each text in an array of jobs, at most `max_concurrent` at once, `pack` texts to a job."""
    counts: Any = count.map(texts, max_concurrent, pack=pack)
    total = merge(counts, posixpath.join(workdir, RESULT))  # the array as an argument: its results
    return total.get_result()


def write_json(path: Path, content: dict[str, int]) -> None:
    """Write a JSON file so that a reader, or a crash, meets the old one or the new one."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    with staged.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_line.parser_for(PROGRAM, "Count the words of many texts in an array of jobs.")
    command_line.add_workdir(parser)
    parser.add_argument(
        "--texts",
        type=command_line.positive,
        default=6,
        help=f"how many texts to write into WORKDIR/{TEXTS} if there are none (default 6)",
    )
    parser.add_argument(
        "--max-concurrent", type=command_line.positive, help="texts to count at once (default: all)"
    )
    parser.add_argument(
        "--pack", type=command_line.positive, default=1, help="texts to a job (default 1)"
    )
    return parser


def texts_in(workdir: str, cluster: Cluster, wanted: int) -> list[str]:
    """The texts in the workdir, `wanted` new ones if there are none. Raises `ConfigError`."""
    folder = posixpath.join(workdir, TEXTS)
    try:
        cluster.backend.make_directory(folder)
        names = [name for name in cluster.backend.list_directory(folder) if name.endswith(".txt")]
        if not names:
            names = [f"text_{number:03d}.txt" for number in range(wanted)]
            for number, name in enumerate(names):
                cluster.backend.write_file(posixpath.join(folder, name), sample(number).encode())
    except RemoteFileError as error:
        raise ConfigError(f"--workdir cannot be used: {error}") from error
    return [posixpath.join(folder, name) for name in names]


def sample(number: int) -> str:
    """A text to count, a different one for each number."""
    lines = [SENTENCES[(number + line) % len(SENTENCES)] for line in range(number % 7 + 3)]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Run the example; returns the exit status."""
    return command_line.run(PROGRAM, _main, arguments().parse_args(argv))


def _main(args: argparse.Namespace) -> None:
    cluster = Cluster.from_args(args)
    try:
        workdir = command_line.workdir_on(cluster, args.workdir)
        texts = texts_in(workdir, cluster, args.texts)
        with cluster:
            job = count_words(workdir, texts, args.max_concurrent, args.pack)
        counts = job.get_result()
    finally:
        cluster.close()
    print(f"counted {sum(counts.values())} words, {len(counts)} different, in {len(texts)} texts")
    for word, times in list(counts.items())[:MOST_FREQUENT]:
        print(f"  {times:6}  {word}")
    print(f"  result  {posixpath.join(workdir, RESULT)}")
    print(f"  jobs    {job.job_dir}")


if __name__ == "__main__":
    sys.exit(main())

"""A workflow that has run, for what looks at its tree."""

from __future__ import annotations

from slurm import Cluster, task, workflow


@task
def count(text: str) -> int:
    """How many words there are."""
    return len(text.split())


@workflow
def count_words() -> list[int]:
    """Counts in an array."""
    return count.map(["one", "two words"]).get_results()


if __name__ == "__main__":
    with Cluster.from_env():
        count_words().get_result()
    # the page goes on here

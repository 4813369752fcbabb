"""Tasks that follow one another, for what says how."""

from __future__ import annotations

from typing import Any

from slurm import Cluster, task


@task
def fetch(url: str) -> str:
    """The first stage."""
    return url


@task
def clean(fetched: str) -> str:
    """The second, item by item."""
    return fetched.strip()


@task
def summarise(cleaned: list[str]) -> int:
    """The last, of all items."""
    return len(cleaned)


@task
def notify(text: str) -> str:
    """Runs whatever became of the others."""
    return text


@task
def prepare(name: str) -> str:
    """What a model is trained on."""
    return name


@task
def train(data: str) -> str:
    """A model."""
    return data


@task
def report(models: list[Any]) -> int:
    """About all models."""
    return len(models)


if __name__ == "__main__":
    urls = ["https://example.org/1", "https://example.org/2"]
    names = ["a", "b"]
    with Cluster("local") as cluster:
        also_given = (cluster,)
        # the page goes on here

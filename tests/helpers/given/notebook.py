"""Cells of a notebook, which may await."""

from __future__ import annotations

import asyncio

from slurm import Cluster, gather, set_active_context, task

given = (gather,)


@task
def square(number: int) -> int:
    """Does nothing that takes time."""
    return number * number


async def cells() -> None:
    """What a kernel runs."""
    await asyncio.sleep(0)
    # the page goes on here


if __name__ == "__main__":
    set_active_context(Cluster.from_env())
    asyncio.run(cells())

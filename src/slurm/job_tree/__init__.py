"""What workflows did, drawn from the metadata files of their jobs alone.

It may import `slurm.api`, `slurm.job_dir` and what is below them; it asks no scheduler, and takes a `Cluster` only for
its backend.

::

    collect     a directory, here or on a cluster -> MetadataFiles, one round trip   api
      -> build  pure: their contents -> JobTree of JobNodes                          nodes, build
      -> fold   pure: siblings of one task that are too many become one Row          rows
      -> draw   pure: text, mermaid, and page (timeline, page.css, page.js)

`tree` has what a user holds. `build` reads values with `facts`, and arrays with `elements`, and with `recorded`
the items that have record files; `page` and `timeline` draw
with `bars`, `scale` and `markup`; `cards` are what a notebook shows; times and states have the same `words` everywhere.
"""

from __future__ import annotations

from slurm.job_tree.nodes import JobNode, Wait
from slurm.job_tree.tree import JobTree

__all__ = ["JobNode", "JobTree", "Wait"]

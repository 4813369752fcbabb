"""What workflows did, drawn from the metadata files of their jobs alone.

::

    collect     a directory, here or on a cluster -> MetadataFiles, one round trip   api
      -> build  pure: their contents -> JobTree of JobNodes                          nodes, build
      -> fold   pure: siblings of one task that are too many become one Row          rows
      -> draw   pure: text, mermaid, and page (timeline, arrows, style, script)
"""

from __future__ import annotations

from slurm.job_tree.nodes import JobNode, Wait
from slurm.job_tree.tree import JobTree

__all__ = ["JobNode", "JobTree", "Wait"]

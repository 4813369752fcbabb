"""The user's own code: what of it is imported, which files it is, and frozen copies of them on the cluster.

- `own_code`: what of this process's imports is the user's own, and where it is searched for;
- `source_files`: which files of a project are its code; `source_copies`: frozen copies of them on the cluster.
"""

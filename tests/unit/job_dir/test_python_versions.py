"""Values that another version of Python pickled."""

from __future__ import annotations

import pickle
from pathlib import Path

from slurm.job_dir.result import Envelope, dump_envelope, load_envelope, open_envelope


def test_a_path_from_python_313_arrives() -> None:
    """There alone its class is found in the module ``pathlib._local``."""
    body = pickle.dumps(Path("/some/where"), 2).replace(b"cpathlib\n", b"cpathlib._local\n")
    assert b"pathlib._local" in body
    content = dump_envelope(Envelope("value", body, attempt=1, python="3.13.5"))
    assert open_envelope(load_envelope(content)) == Path("/some/where")

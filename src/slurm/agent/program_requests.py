"""Requests to run programs, and to have code there for them."""

import io
import os
from typing import Any, List, Tuple

from .directories import make_private_directory, require_own_directory
from .files import unique_name
from .programs import Program, Programs, scrubbed_environment
from .users import expanded

OUTPUT_KEPT = 64 << 10  # bytes


class ProgramRequests:
    """The requests of an `Agent` that run something on its machine."""

    programs: Programs

    def op_run(self, blob: bytes, argv: List[str], timeout: float) -> Tuple[Any, bytes]:
        """Run a program here with `blob` as its input; its exit status, and the end of what it printed."""
        import subprocess

        # In a directory from which nothing of the user's is imported by chance.
        options = {"cwd": os.sep, "env": scrubbed_environment(), "stderr": subprocess.STDOUT}
        code, output, _ = self.programs.run(Program(argv, timeout), blob, **options)
        return code, output[-OUTPUT_KEPT:]

    def op_install(self, blob: bytes, directory: str) -> Tuple[Any, bytes]:
        """Unpack the zip archive in `blob` to `directory`, which appears whole or not at all."""
        import compileall
        import shutil
        import zipfile

        directory = expanded(directory)
        parent = os.path.dirname(directory)
        make_private_directory(parent)
        require_own_directory(parent)
        staging = os.path.join(parent, ".new-" + unique_name())
        os.mkdir(staging, 0o700)
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            archive.extractall(staging)
        # Jobs of this Python start twice as fast; those of another compile for themselves.
        compileall.compile_dir(staging, quiet=2)
        try:
            os.rename(staging, directory)
        except OSError:  # somebody else was quicker, with the same content
            shutil.rmtree(staging)
            if not os.path.isdir(directory):
                raise
        return None, b""

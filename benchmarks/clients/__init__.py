"""The programs that are measured, each in an environment of its own; see `line_server`."""

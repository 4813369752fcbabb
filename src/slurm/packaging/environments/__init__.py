"""What the user's code depends on: from what a project says to an environment on the cluster that has it.

- `requirements`, `script_metadata`, `lock_files`, `lock_age`, `requirement_lines`, `uv_sources`: what a project or a script
  depends on;
- `target`: for which Python wheels are chosen; `resolving`, `resolver_errors`: choosing them, and what is said where there are
  none; `pip_wheel`, `sdk_stub`: pip to install them with, and what stands for the SDK meanwhile;
- `making`: an environment with them on the cluster, once; `installer`, `interpreter_facts`: what is run there for that, with
  nothing but the standard library.
"""

"""A wheel of the user's project, and the environment in which it is.

- `building`: the wheel, built once for all programs; `project_state`: whether another one has to be;
- `wheel_file`, `wheel_requirements`: what it is, and what it requires;
- `wheel_environments`: the environment that it is installed in, on top of that with what it requires.
"""

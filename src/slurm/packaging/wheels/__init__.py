"""A wheel of the user's project, and the environment in which it is.

- `building`: the wheel, built once for all programs; `project_state`: whether another one has to be;
- `project_copy`, `copied_repository`: the copy of the project that it is built in;
- `wheel_file`, `wheel_requirements`: what it is, and what it requires;
- `wheel_environments`: the environment that it is installed in, on top of that with what it requires.
"""

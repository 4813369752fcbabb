"""Environments that the site has: modules, conda, projects that uv keeps.

- `site_environment`: which one jobs run with; `setup_script`: the lines of bash for it;
- `site_checks`: trying it out before anything is submitted; `setup_checker`: what is run there for that, Python 3.6 and its
  standard library alone.
"""

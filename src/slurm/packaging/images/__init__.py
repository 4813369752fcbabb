"""Container images: from a Dockerfile to the command line that starts Python in one.

- `container_settings`: what may be said of a container; `image_names`: the names of images; `mounts`: what they see of the
  host; `runtimes`: what starts them;
- `image_context`, `image_building`, `image_copies`, `image_bringing`: an image from a Dockerfile to the cluster;
- `prebuilding`: those of a workflow's tasks, before it runs.
"""

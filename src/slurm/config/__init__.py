"""What users write down: the Slurmfile, command-line options, and the names of classes in them, all checked.

Configuration is data: mappings, text and numbers come out of here; whoever asked makes objects of them. It may
import the root's `errors` and `slurm.agent`, and nothing that knows a job or a backend.

- `slurmfile`: ``Slurmfile.toml``, found from the working directory upwards, read, laid over its defaults;
- `new_slurmfile`: the text of a first one;
- `origins`: where each setting in force was said;
- `command_line`: the options that choose a cluster, and what a program does with an error;
- `found_files`: whether a file may be believed that was found by climbing, and not named;
- `checks`: values from files and callers, checked where they come in, and near matches of names;
- `named_classes`: classes that are named as ``module:Class``; `option_types`: what their constructors say of their options;
- `globs`: patterns of paths; `ages`: how long ago something was;
- `findings`: what a named check found, in a line with what mends it.
"""

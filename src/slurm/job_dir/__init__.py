"""The files of a job directory: their names, and what is in them.

What travels to a node and back, and the notes that a job keeps of itself. It may import the root's `errors` and
`usage`, and of the agent the names they share; it knows no backend, no scheduler and no `Job`. The runner
imports most of it, so it is standard library, Python 3.9, and quick to load.

- `paths`: which file is called what;
- `metadata`: ``metadata.json`` and ``array_metadata.json``; `runs`: in which order jobs were submitted;
- `payload`: the function and what is around it; `main_module`: what stands for the client's ``__main__``, and
  `main_guard`: its code without its main part; `main_part`: what that part has defined, which no job has;
- `search_path`: the order of imports; `arguments`: how arguments are pickled, into the payload or, large ones, into a
  file of their own, and read back, with results in place of placeholders; `placeholder`: what stands for a job there;
- `by_value`: pickling what has no name; `unpickling`: what is read back, unless it is code of another Python;
- `result`: the envelope with a value or an exception, pickled and read, and why a value cannot be pickled;
- `result_file`: its layout, with a checksum;
- `item_records`: results and notes of the items of packed arrays, many in one file; `record_index`: which are there;
  `array_ends`: how items of any array ended that could not say so;
  `news`: what the event of a runner says;
- `remote_exceptions`: an exception as itself where that can be, in words where it cannot;
- `unpicklable`: what in a value cannot be pickled, and the way to it;
- `tracebacks`: those that people are shown, without the SDK's frames;
- `large_files`: bytes that may be too many for memory.
"""

"""What is called what below a `job_base_dir`, where the agent has to know it."""

RECEIPTS = ".receipts"
EVENTS = ".events"
GROUP = ".items-"  # in the names of files in .events that tell of several items of an array
STAGED = ".staged"  # large files on their way into a job's directory
RECORDS = "records"  # in an array's directory
ENDS = "ended.jsonl"  # the same
ASIDE = ".removed"  # what is being removed

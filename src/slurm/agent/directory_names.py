"""What is called what below a `job_base_dir`, where the agent has to know it."""

RECEIPTS = ".receipts"
EVENTS = ".events"
STAGED = ".staged"  # large files on their way into a job's directory
ASIDE = ".removed"  # what is being removed

"""``slurm dash``: a dashboard of a user's jobs, in a terminal or a browser. Needs the extra ``dash``, which has Textual.

It may import whatever programs of users may, and the rooms below; only the command line imports it.

- `source`: the questions that a dashboard asks, and the answers, as a protocol; `cluster_source`: those to a cluster;
- `view`: which jobs are shown, in which order; `columns`: a job as a line; `details`: what is told of one job;
  `log_text`: what a job has printed, as lines in which nothing is a command for a terminal. All of them pure;
- `job_table`, `line_view`: widgets that draw the lines that can be seen, and no others; `dialogs`: questions, and help;
- `asking`: questions in threads, one after the other; `app`: all of it together, with ``dash.tcss``;
- `web`: the same in a browser of this machine, with ``page.html`` and ``page.js``; `web_guard`: who may see that.
"""

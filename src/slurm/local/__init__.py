"""A small Slurm stand-in for a machine without Slurm: one daemon, one supervisor per job.

::

    scheduler.LocalScheduler   what the agent calls, with the words of Slurm
      -> client                starts the daemon when there is none, and asks it
      -> daemon                the process: loop, signals, the lock that makes it the only one
           server              lines over a Unix socket
           operations          what a request means
           service             what an event means: starts, ends and requeues jobs
             requests, arrays, dependencies     pure: what is asked for
             jobs, records                      pure: what is known
             queue             pure: which jobs start now, in what order, and why another does not
             ready, backfill   pure: those that could, first come first; who may pass one that does not fit
             waiting           pure: those held by a dependency
             machine           how many cpus and how much memory there is
             holds             pure: how often a job that is lost is started again, and after which pause
             journal, state    what survives a crash, and which file is called what
             replay, shapes    pure: what the journal's lines say, what files must look like, what is damaged
             recovery          what a new daemon knows of an earlier one's jobs
             processes         starts and adopts supervisors
      -> supervisor            one process per job: starts it, holds it to its limit, ends all of it
           launch, warning     what to start; the signal before the limit
           ps                  whose processes there are
           linux_calls         what Linux can and Python does not offer

One daemon serves one state directory: every client and every workflow job that names it. Daemon and
supervisors outlive their clients; a daemon that is killed is replaced by the next client, which
takes over the jobs that run.

It may import `slurm.sbatch`, `slurm.job_dir`, `slurm.agent` and the root's `errors`; it knows no cluster and no client.
"""

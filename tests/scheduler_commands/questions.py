"""What Slurm's commands are asked, and what they answer: the same of fake_slurm and of the dockerised Slurm 24.11.

In an answer ``{ok}`` is the id of the job of that name, TIME is a time, N a number of a job that no question names, and NODE
is ``c1`` or ``c2``.
"""

from __future__ import annotations

from typing import NamedTuple

SCRIPTS = {
    "ok.sh": "#!/bin/bash\nexit 0\n",
    "bad.sh": "#!/bin/bash\nexit 3\n",
    "killed.sh": "#!/bin/bash\nkill -9 $$\n",
    "long.sh": '#!/bin/bash\n#SBATCH --job-name=long\n#SBATCH --comment="a | comment"\nsleep 600\n',
    "no_shebang.sh": "exit 0\n",
    "bad_option.sh": "#!/bin/bash\n#SBATCH --nosuch=1\nexit 0\n",
}
# The jobs by their names, each submitted with ``sbatch --parsable`` and these words.
JOBS = {
    "ok": "ok.sh one two",
    "bad": "bad.sh",
    "killed": "killed.sh",
    "long": "long.sh",
    "held": "--hold -t 5 --mem=100 -c 2 -J held ok.sh",
    "later": "--begin=now+1hour ok.sh",
    "dependent": "--dependency=afterok:{long} ok.sh",
    "both": "--dependency=afterok:{ok}:{long},afterany:{bad} ok.sh",
    "either": "--dependency=afternotok:{long}?afterok:{long} ok.sh",
    "never": "--dependency=afterok:{bad} ok.sh",
    "ended": "--dependency=afterok:{long} --kill-on-invalid-dep=yes ok.sh",
    "waits": "--array=0-7%2 --hold -J waits ok.sh",
    "odd": "--array=1,2,3,7-8,10,20-30:5 --hold ok.sh",
    "tasks": "--array=1,4 long.sh",
}


class Question(NamedTuple):
    """A command line, and its answer.

    Of `has` each word is somewhere in what is printed, in the place of `out`. `fake` is what fake_slurm answers where that is
    something else, and `why` the sentence of the documentation that says so. Some answers have lines in any order.
    """

    words: str
    out: str = ""
    err: str = ""
    status: int = 0
    has: tuple[str, ...] = ()
    any_order: bool = False
    fake: tuple[int, str, str] | None = None
    why: str = ""


STATES = (
    "pending,running,suspended,completed,cancelled,failed,timeout,node_fail,preempted,boot_fail,"
    "deadline,out_of_memory,completing,configuring,resizing,resv_del_hold,requeued,requeue_fed,"
    "requeue_hold,revoked,signaling,special_exit,stage_out,stopped"
)
HEADER = "             JOBID PARTITION     NAME     USER ST       TIME  NODES NODELIST(REASON)\n"
ACCOUNTS = "JobID           JobName  Partition    Account  AllocCPUS      State ExitCode \n"
RULE = "------------ ---------- ---------- ---------- ---------- ---------- -------- \n"
UNKNOWN = "Invalid job id specified"


def tries(command: str) -> str:
    """The line below a wrong option."""
    return f'Try "{command} --help" for more information\n'


SQUEUE = [
    Question("squeue -h -j {ok}"),
    Question("squeue -h -t all -j {ok} -o %i|%t|%T|%r|%N", "{ok}|CD|COMPLETED|None|NODE\n"),
    Question("squeue -h -t all -j {bad} -o %T|%r|%e", "FAILED|NonZeroExitCode|TIME\n"),
    Question("squeue -h -t all -j {killed} -o %T|%r", "FAILED|RaisedSignal:9(Killed)\n"),
    Question(
        "squeue -h -j {long} -o %i|%t|%T|%r|%R|%N|%B|%j|%P|%C|%D|%l|%k|%q|%a|%E|%A|%F|%K|%m|%c|%y|%e",
        "{long}|R|RUNNING|None|NODE|NODE|NODE|long|cpu|1|1|1:00:00|a | comment|normal|(null)|(null)|"
        "{long}|{long}|N/A|64M|1|0|TIME\n",
    ),
    Question("squeue -h -j {long} -o %u|%o|%Z", "{user}|{folder}/long.sh|{folder}\n"),
    Question(
        "squeue -h -j {held} -o %t|%r|%R|%N|%B|%S|%e|%l|%L|%M|%C|%c|%m|%k",
        "PD|JobHeldUser|(JobHeldUser)||n/a|N/A|N/A|5:00|5:00|0:00|2|2|100M|(null)\n",
    ),
    Question("squeue -h -j {later} -o %r|%S|%e|%V", "BeginTime|TIME|TIME|TIME\n"),
    Question("squeue -h -j {dependent} -o %r|%E", "Dependency|afterok:{long}(unfulfilled)\n"),
    Question("squeue -h -j {both} -o %r|%E", "Dependency|afterok:{long}(unfulfilled)\n"),
    Question(
        "squeue -h -j {either} -o %r|%E",
        "Dependency|afternotok:{long}(unfulfilled)?afterok:{long}(unfulfilled)\n",
    ),
    Question("squeue -h -j {never} -o %r|%E", "DependencyNeverSatisfied|afterok:{bad}(failed)\n"),
    Question("squeue -h -j {waits} -o %i|%K|%F|%T", "{waits}_[0-7%2]|0-7%2|{waits}|PENDING\n"),
    Question("squeue -h -j {odd} -o %i", "{odd}_[1-3,7-8,10,20,25,30]\n"),
    Question(
        "squeue -h -r -j {waits} -o %i",
        "".join(f"{{waits}}_{task}\n" for task in range(8)),
        any_order=True,
    ),
    Question(
        "squeue -h -j {tasks} -o %i|%F|%K|%T",
        "{tasks}_1|{tasks}|1|RUNNING\n{tasks}_4|{tasks}|4|RUNNING\n",
        any_order=True,
    ),
    Question("squeue -h -j {tasks}_4 -o %i", "{tasks}_4\n"),
    Question("squeue -h -j {tasks}_77 -o %i"),
    Question(
        "squeue -j {long} -o %i|%T|%Z|%q|%y|%P|%e",
        "JOBID|STATE|WORK_DIR|QOS|NICE|PARTITION|END_TIME\n{long}|RUNNING|{folder}|normal|0|cpu|TIME\n",
    ),
    Question(
        "squeue -j {held}",
        HEADER + "{held:>18}       cpu     held {user8} PD       0:00      1 (JobHeldUser)\n",
    ),
    Question("squeue -h -j {held} -o %.3t|%5j|%.6P|%2T|", " PD|held |   cpu|PE|\n"),
    Question("squeue -h -j {long},99999999 -o %i", "{long}\n"),
    Question("squeue -h --jobs={long} --states=R,pd --format=%T", "RUNNING\n"),
    Question("squeue -h -t PD -j {long},{held} -n held,long -o %j", "held\n"),
    Question("squeue -h -S i -j {held},{long} -o %i", "{long}\n{held}\n"),
    Question("squeue -h -S -i -j {held},{long} -o %i", "{held}\n{long}\n"),
    Question("squeue -h -p nosuch -j {long}"),
    Question("squeue -j 99999999", err=f"slurm_load_jobs error: {UNKNOWN}\n", status=1),
    Question("squeue -j abc", err="squeue: error: Invalid job id: abc\n", status=1),
    Question(
        "squeue -t nosuch",
        err="squeue: error: Invalid job state specified: nosuch\n"
        f"squeue: error: Valid job states include: {STATES}\n\n",
        status=1,
    ),
    Question("squeue -h -u nosuch", err="squeue: error: Invalid user: nosuch\n\n"),
    Question(
        "squeue --nosuch",
        err=f"squeue: unrecognized option '--nosuch'\n{tries('squeue')}",
        status=1,
    ),
    Question("squeue -Z", err=f"squeue: invalid option -- 'Z'\n{tries('squeue')}", status=1),
    Question(
        "squeue foo",
        has=("Usage: squeue", "Unrecognized option: foo\n"),
        err="squeue: error: Unrecognized option: foo\n",
        status=1,
        fake=(1, "", "squeue: error: Unrecognized option: foo\n"),
        why="leaves out the usage that `squeue` prints to standard output",
    ),
    Question(
        "squeue -h -j {long} -o %i%s",
        "{long}%s\n",
        "squeue: error: Invalid job format specification: s\n",
        fake=(
            1,
            "",
            "squeue: error: field %s in '%i%s': fake_slurm has none, the dockerised cluster of slurm.testing has it\n",
        ),
        why="refuses a field that it has not",
    ),
]
SACCT = [
    Question(
        "sacct -nPX -j {ok},{bad},{killed},{long} -o JobID,JobName,State,ExitCode,Partition,NodeList,Start,End",
        "{ok}|ok.sh|COMPLETED|0:0|cpu|NODE|TIME|TIME\n{bad}|bad.sh|FAILED|3:0|cpu|NODE|TIME|TIME\n"
        "{killed}|killed.sh|FAILED|0:9|cpu|NODE|TIME|TIME\n{long}|long|RUNNING|0:0|cpu|NODE|TIME|Unknown\n",
    ),
    Question(
        "sacct -nPX -j {held} -o state,nodelist,start,end,timelimit,timelimitraw,reqmem,reqcpus",
        "PENDING|None assigned|Unknown|Unknown|00:05:00|5|100M|2\n",
    ),
    Question(
        "sacct -nPX -j {ok} -o User,WorkDir,SubmitLine,QOS,AllocCPUS,NNodes",
        "{user}|{folder}|sbatch --parsable ok.sh one two|normal|1|1\n",
    ),
    Question("sacct -nPX -j {waits} -o JobID,State", "{waits}_[0-7%2]|PENDING\n"),
    Question("sacct -nPX -j {tasks}_4 -o JobID,State", "{tasks}_4|RUNNING\n"),
    Question("sacct -nPX -j {long} -o Comment", "\n"),
    Question(
        "sacct -nP -j {bad},{killed} -o JobID,JobName,State,ExitCode,Partition",
        "{bad}|bad.sh|FAILED|3:0|cpu\n{bad}.batch|batch|FAILED|3:0|\n"
        "{killed}|killed.sh|FAILED|0:9|cpu\n{killed}.batch|batch|CANCELLED|0:9|\n",
    ),
    Question(
        "sacct -j {ok}",
        ACCOUNTS
        + RULE
        + "{ok:<12}      ok.sh        cpu                     1  COMPLETED      0:0 \n"
        + "{ok_batch:<12}      batch                                1  COMPLETED      0:0 \n",
    ),
    Question(
        "sacct -X -j {ok} -o State%20,JobName%-10,State%5",
        "State JobName    State \n----- ---------- ----- \nCOMP+ ok.sh      COMP+ \n",
    ),
    Question("sacct -X --parsable -j {ok} -o State,ExitCode", "State|ExitCode|\nCOMPLETED|0:0|\n"),
    Question("sacct -nPX --delimiter=, -j {ok} -o state,exitcode", "COMPLETED,0:0\n"),
    Question(
        "sacct --parsable2 --noheader --allocations --jobs={ok} --format=state --starttime=now-2days",
        "COMPLETED\n",
    ),
    Question("sacct -j 99999999", ACCOUNTS + RULE),
    Question("sacct -P -j 99999999 -o jobid,state", "JobID|State\n"),
    Question("sacct -j abc", err="sacct: fatal: Bad job/step specified: abc\n", status=1),
    Question("sacct -o NoSuch", err='sacct: error: Invalid field requested: "NoSuch"\n', status=1),
    Question("sacct -S nosuch", err="Invalid time specification (pos=0): nosuch\n", status=1),
    Question("sacct -u nosuch", err="sacct: error: Invalid user id: nosuch\n", status=1),
    Question("sacct --nosuch", err="sacct: unrecognized option '--nosuch'\n", status=1),
    Question("sacct -Z", err="sacct: invalid option -- 'Z'\n", status=1),
    Question("sacct foo", err="sacct: error: Unknown arguments:\nsacct: error:  foo\n", status=1),
]
SCONTROL = [
    Question(
        "scontrol -o show job {bad}",
        has=(
            "JobId={bad} JobName=bad.sh UserId={user}({uid})",
            "JobState=FAILED Reason=NonZeroExitCode Dependency=(null) Requeue=1 Restarts=0",
            " ExitCode=3:0 RunTime=",
            " NumNodes=1 NumCPUs=1 NumTasks=1 CPUs/Task=1 ",
            " Command={folder}/bad.sh WorkDir={folder} StdErr={folder}/slurm-{bad}.out StdIn=/dev/null ",
        ),
    ),
    Question(
        "scontrol show job {held}",
        has=(
            "JobId={held} JobName=held\n   UserId=",
            "\n   Priority=0 Nice=0 Account=(null) QOS=normal\n",
            "   JobState=PENDING Reason=JobHeldUser Dependency=(null)\n",
            "\n   StartTime=Unknown EndTime=Unknown Deadline=N/A\n",
        ),
    ),
    Question(
        "scontrol show job {waits}",
        has=(
            "JobId={waits} ArrayJobId={waits} ArrayTaskId=0-7%2 ArrayTaskThrottle=2 JobName=waits\n",
        ),
    ),
    Question("scontrol show job={long} -o", has=("JobState=RUNNING", "Comment=a | comment ")),
    Question("scontrol show job 99999999", err=f"slurm_load_jobs error: {UNKNOWN}\n", status=1),
    Question("scontrol show job abc", err=f"scontrol_print_job error: {UNKNOWN}\n", status=1),
    Question("scontrol show job {tasks}_77", "Job {tasks}_77 not found\n", status=1),
    Question("scontrol show job 1 2", err="too many arguments for keyword:show\n", status=1),
    Question("scontrol show", err="too few arguments for keyword:show\n", status=1),
    Question("scontrol show nosuch", err="invalid entity:nosuch for keyword:show \n", status=1),
    Question("scontrol show hostnames c[1-3]", "c1\nc2\nc3\n"),
    Question("scontrol show config", has=("\nMaxArraySize            = 10001\n",)),
    Question("scontrol nosuch", err="invalid keyword: nosuch\n", status=1),
    Question("scontrol requeue", err="too few arguments for keyword:requeue\n", status=1),
    Question("scontrol requeue 99999999", err=f"{UNKNOWN} for job 99999999\n", status=1),
    Question("scontrol requeue {held}", err="Job is pending execution for job {held}\n", status=1),
    Question(
        "scontrol hold 99999999",
        err=f"{UNKNOWN} for job 99999999\nslurm_suspend error: {UNKNOWN}\n",
        status=1,
    ),
    Question(
        "scontrol --nosuch",
        err=f"scontrol: unrecognized option '--nosuch'\n{tries('scontrol')}",
        status=1,
    ),
    Question(
        "scontrol ping",
        "Slurmctld(primary) at slurmctld is UP\n",
        fake=(0, "Slurmctld(primary) at fake is UP\n", ""),
        why="calls its cluster and its controller `fake`",
    ),
]
SINFO = [
    Question("sinfo -h -o %P", "cpu*\ngpu\n"),
    Question(
        "sinfo -o %P|%a|%l|%G|%c|%m",
        "PARTITION|AVAIL|TIMELIMIT|GRES|CPUS|MEMORY\ncpu*|up|infinite|gpu:2|8|16000\ngpu|up|infinite|gpu:2|8|16000\n",
    ),
    Question("sinfo -h -p gpu -o %.5P|%6a|%R", "  gpu|up    |gpu\n"),
    Question("sinfo -h -N -o %N|%P", "c1|cpu*\nc1|gpu\nc2|cpu*\nc2|gpu\n", any_order=True),
    Question("sinfo -p nosuch", "PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST\n"),
    Question(
        "sinfo --nosuch", err=f"sinfo: unrecognized option '--nosuch'\n{tries('sinfo')}", status=1
    ),
    Question("sinfo -h -t idle,mix,alloc -p cpu -o %P", "cpu*\n"),
    Question(
        "sinfo --version",
        "slurm-wlm 24.11.5\n",
        fake=(0, "slurm 24.11.5 (fake_slurm)\n", ""),
        why="says in its version that it is a fake",
    ),
]
SCANCEL = [
    Question("scancel", err="scancel: error: No job identification provided\n", status=1),
    Question("scancel 99999999"),
    Question("scancel -- 99999999 99999998"),
    Question("scancel 99999999_1"),
    Question("scancel -n nosuch"),
    Question("scancel abc", err="scancel: error: Invalid job id abc\n", status=1),
    Question(
        "scancel -v 99999999",
        err="scancel: Terminating job 99999999\n"
        f"scancel: error: Kill job error on job id 99999999: {UNKNOWN}\n",
    ),
    Question(
        "scancel --nosuch 1",
        err=f"scancel: unrecognized option '--nosuch'\n{tries('scancel')}",
        status=1,
    ),
    Question("scancel -Z 1", err=f"scancel: invalid option -- 'Z'\n{tries('scancel')}", status=1),
]
FAILED = "sbatch: error: Batch job submission failed: "
UNAVAILABLE = FAILED + "Requested node configuration is not available\n"
SBATCH = [
    Question("sbatch --hold ok.sh", "Submitted batch job N\n"),
    Question("sbatch --hold --quiet ok.sh"),
    Question("sbatch --hold --wrap=hostname", "Submitted batch job N\n"),
    Question("sbatch --hold --parsable ok.sh", "N\n"),
    Question("sbatch nosuch.sh", err="sbatch: error: Unable to open file nosuch.sh\n", status=1),
    Question("sbatch .", err="sbatch: error: Batch script is empty!\n", status=1),
    Question("sbatch", err="sbatch: error: Batch script is empty!\n", status=1),
    Question(
        "sbatch no_shebang.sh",
        err="sbatch: error: This does not look like a batch script.  The first\n"
        "sbatch: error: line must start with #! followed by the path to an interpreter.\n"
        "sbatch: error: For instance: #!/bin/sh\n",
        status=1,
    ),
    Question(
        "sbatch bad_option.sh",
        err=f"sbatch: unrecognized option '--nosuch=1'\n{tries('sbatch')}",
        status=255,
    ),
    Question(
        "sbatch --nosuch ok.sh",
        err=f"sbatch: unrecognized option '--nosuch'\n{tries('sbatch')}",
        status=255,
    ),
    Question(
        "sbatch -Z ok.sh", err=f"sbatch: invalid option -- 'Z'\n{tries('sbatch')}", status=255
    ),
    Question(
        "sbatch --export",
        err=f"sbatch: option '--export' requires an argument\n{tries('sbatch')}",
        status=255,
    ),
    Question(
        "sbatch -p nosuch ok.sh",
        err="sbatch: error: invalid partition specified: nosuch\n"
        f"{FAILED}Invalid partition name specified\n",
        status=1,
    ),
    *(
        Question(
            f"sbatch --array={text} ok.sh",
            err=f"{FAILED}Invalid job array specification\n",
            status=1,
        )
        for text in ("abc", "10001", "3-1", "1-3:0")
    ),
    *(
        Question(
            f"sbatch --dependency={text} ok.sh", err=f"{FAILED}Job dependency problem\n", status=1
        )
        for text in ("afterok:99999999", "foo:99", "afterok:abc")
    ),
    Question(
        "sbatch -t abc ok.sh", err="sbatch: error: Invalid --time specification\n", status=255
    ),
    Question(
        "sbatch --mem=abc ok.sh", err="sbatch: error: Invalid --mem specification\n", status=255
    ),
    Question(
        "sbatch --begin=foo ok.sh",
        err="Invalid time specification (pos=0): foo\nsbatch: error: Invalid --begin specification\n",
        status=255,
    ),
    Question(
        "sbatch -n abc ok.sh",
        err='sbatch: error: Invalid numeric value "abc" for --ntasks.\n',
        status=1,
    ),
    Question(
        "sbatch -c 1000 ok.sh",
        err=f"sbatch: error: CPU count per node can not be satisfied\n{UNAVAILABLE}",
        status=1,
    ),
    Question(
        "sbatch --mem=900T ok.sh",
        err=f"sbatch: error: Memory specification can not be satisfied\n{UNAVAILABLE}",
        status=1,
    ),
    Question("sbatch -N 100 ok.sh", err=UNAVAILABLE, status=1),
    Question(
        "sbatch --gres=nosuch:1 ok.sh",
        err="sbatch: error: Invalid generic resource (gres) specification\n",
        status=1,
    ),
    Question(
        "sbatch --wrap=exit ok.sh",
        err="sbatch: error: Script arguments not permitted with --wrap option\n",
        status=1,
    ),
]
AT_FIRST = [*SQUEUE, *SACCT, *SCONTROL, *SINFO, *SCANCEL, *SBATCH]
# What is done then, and asked when that has had its effect.
CANCELS = ("scancel {long}", "scancel {held}", "scancel {waits}", "scancel {tasks}_4")
AFTERWARDS = [
    Question("squeue -h -t all -j {long} -o %T|%r|%e", "CANCELLED|None|TIME\n"),
    Question("squeue -h -t all -j {held} -o %T|%r|%S|%e", "CANCELLED|JobHeldUser|TIME|TIME\n"),
    Question("squeue -h -t all -j {tasks}_4 -o %i|%T", "{tasks}_4|CANCELLED\n"),
    Question("squeue -h -j {tasks} -o %i|%T", "{tasks}_1|RUNNING\n"),
    Question(
        "squeue -h -j {dependent} -o %r|%E", "DependencyNeverSatisfied|afterok:{long}(failed)\n"
    ),
    Question("squeue -h -t all -j {either} -o %T|%E", "COMPLETED|(null)\n"),
    Question("squeue -h -t all -j {ended} -o %T|%r", "CANCELLED|DependencyNeverSatisfied\n"),
    Question(
        "scontrol -o show job {long}", has=("JobState=CANCELLED Reason=None", "ExitCode=0:15 ")
    ),
    Question(
        "sacct -nP -j {long} -o JobID,State,ExitCode",
        "{long}|CANCELLED by {uid}|0:0\n{long}.batch|CANCELLED|0:15\n",
    ),
    Question(
        "sacct -nPX -j {held} -o State,ExitCode,NodeList,Start,End",
        "CANCELLED by {uid}|0:0|None assigned|None|TIME\n",
    ),
    Question("sacct -X -n -j {long} -o State", "CANCELLED+ \n"),
    Question("scancel {long}"),
]

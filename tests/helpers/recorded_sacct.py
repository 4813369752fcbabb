"""What ``sacct -P`` printed on the dockerised cluster for jobs that ended in every way, with either Slurm.

Real jobs, renumbered to be the same in both, but for two: the containers have no cgroups, without which no
job becomes OUT_OF_MEMORY, and none fails to boot. 90 and 91 are rows of real jobs whose state was changed
in the database of the accounts, as sacct prints them.
"""

from __future__ import annotations

HEADER = "JobID|State|ExitCode|Partition|ReqMem|ReqCPUS|TimelimitRaw|ElapsedRaw|MaxRSS|NodeList\n"

SLURM_24_11 = (
    HEADER
    + """\
2|FAILED|0:9|cpu|100M|1|60|1||c1
2.batch|CANCELLED by 0|0:9|||1||1|205156K|c1
3|TIMEOUT|0:0|cpu|500M|1|1|73||c1
3.batch|CANCELLED|0:15|||1||73|302904K|c1
4|FAILED|3:0|cpu|1G|2|2|0||c1
4.batch|FAILED|3:0|||2||0||c1
5|FAILED|0:9|cpu|200M|2|2|0||c1
5.batch|CANCELLED|0:9|||2||0||c1
6|CANCELLED by 1000|0:0|cpu|1500M|1|2|6||c1
6.batch|CANCELLED|0:15|||1||6|285520K|c1
7|CANCELLED by 1000|0:0|cpu|1G|1|2|0||None assigned
8|DEADLINE|1:0|cpu|64M|1|1|0||None assigned
9|FAILED|2:0|cpu|16000M|1|2|9||c2
9.batch|FAILED|2:0|||1||9|11324K|c2
9.0|COMPLETED|0:0|||1||9|496720K|c2
10_1|FAILED|1:0|cpu|64M|1|2|0||c1
10_1.batch|FAILED|1:0|||1||0||c1
13|FAILED|9:0|cpu|300M|1|3|5||c1
13.batch|FAILED|9:0|||1||5|11276K|c1
13.0|CANCELLED by 0|0:9|||1||5|203684K|c1
15|NODE_FAIL|1:0|cpu|2G|1|5|115||c2
15.batch|CANCELLED||||8||115||c2
16|PREEMPTED|0:0|cpu|2G|1|5|62||c1
16.batch|CANCELLED|0:15|||8||62|302896K|c1
90|BOOT_FAIL|0:9|cpu|200M|2|2|0||c1
90.batch|CANCELLED|0:9|||2||0||c1
91|OUT_OF_MEMORY|0:125|cpu|100M|1|3|5||c1
91.batch|OUT_OF_MEMORY|0:125|||1||5|160848K|c1
"""
)

SLURM_22_05 = (
    HEADER
    + """\
2|FAILED|0:9|cpu|100M|1|60|1||c1
2.batch|CANCELLED by 0|0:9|||1||1|204456K|c1
3|TIMEOUT|0:0|cpu|500M|1|1|77||c1
3.batch|CANCELLED|0:15|||1||77|302332K|c1
4|FAILED|3:0|cpu|1G|2|2|0||c1
4.batch|FAILED|3:0|||2||0||c1
5|FAILED|0:9|cpu|200M|2|2|0||c1
5.batch|CANCELLED|0:9|||2||0||c1
6|CANCELLED by 1000|0:0|cpu|1500M|1|2|6||c1
6.batch|CANCELLED|0:15|||1||6|157556K|c1
7|CANCELLED by 1000|0:0|cpu|1G|1|2|0||None assigned
8|DEADLINE|1:0|cpu|200M|1|1|0||None assigned
9|FAILED|2:0|cpu|16000M|1|2|9||c2
9.batch|FAILED|2:0|||1||9|10536K|c2
9.0|COMPLETED|0:0|||1||9|496252K|c2
10_1|FAILED|1:0|cpu|64M|1|2|0||c1
10_1.batch|FAILED|1:0|||1||0||c1
13|FAILED|9:0|cpu|300M|1|3|6||c1
13.batch|FAILED|9:0|||1||6|10268K|c1
13.0|CANCELLED by 0|0:9|||1||6|203104K|c1
15|NODE_FAIL|0:0|cpu|2G|1|5|125||c2
15.batch|CANCELLED||||8||125||c2
16|PREEMPTED|0:0|cpu|2G|1|5|67||c1
16.batch|CANCELLED|0:15|||8||67|302228K|c1
90|BOOT_FAIL|0:9|cpu|200M|2|2|0||c1
90.batch|CANCELLED|0:9|||2||0||c1
91|OUT_OF_MEMORY|0:125|cpu|100M|1|3|4||c1
91.batch|OUT_OF_MEMORY|0:125|||1||4|110180K|c1
"""
)

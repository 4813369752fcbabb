"""What is wrong with the text of an sbatch option that has a grammar of its own. Pure.

Every check answers with advice, or with nothing where the text is fine. Fine is what the ``sbatch`` of
Slurm 22.05 and 24.11 both read as it is meant: some of what is refused here one of them accepts, and
drops half of it in silence (``gpu:2x``, ``gpu,,gpu``, ``USR1@``). An expression is compiled when it is first used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

GRES_ADVICE = (
    "give a name, a name and a count, or a name, a type and a count, several joined by commas, such "
    "as gpu, gpu:2 or gpu:a100:2,shard:1; none for no gres"
)
# A count has a unit as sizes have; a type is what a site called it, and without a count behind it must
# not look like one: of gpu:2x sbatch takes the 2 and drops the rest.
GRES_COUNT = "[0-9]{1,18}[KMGTP]?"
GRES_TYPE = r"[A-Za-z0-9_][^:=,;()/\s]*"
GRES_ITEM = rf"(?i)(?!help\b)[A-Z][A-Z0-9_.-]*(:{GRES_COUNT}|:[A-Z_][^:=,;()/\s]*|:(?!{GRES_COUNT}[:=]){GRES_TYPE}[:=]{GRES_COUNT})?"

DEPENDENCY_TYPES = ("after", "afterany", "afterburstbuffer", "aftercorr", "afternotok", "afterok")
DEPENDENCY_ADVICE = (
    f"give a type and job ids, such as afterok:12:13, several joined by ',' (all must hold) or by '?' "
    f"(any), never both; types are {', '.join(DEPENDENCY_TYPES)}, and singleton, which takes no ids"
)
JOB_ID = r"[1-9][0-9]{0,17}(_([0-9]{1,9}|\*|\[[0-9]{1,9}-[0-9]{1,9}\]))?"
AFTER_ITEM = rf"(?i)after(:{JOB_ID}(\+[0-9]{{1,9}})?)+"
OTHER_ITEM = rf"(?i)(afterany|afterburstbuffer|aftercorr|afternotok|afterok)(:{JOB_ID})+|singleton"

SIGNAL_ADVICE = (
    "give a signal's name or number, with 'B:' before it for the batch script alone and '@' and the "
    "seconds before the time limit after it, such as USR1, B:USR1 or B:USR1@120"
)
# Those that every sbatch knows by name; it takes others as numbers.
SIGNAL_NAMES = (
    "HUP INT QUIT ABRT KILL ALRM TERM USR1 USR2 URG CONT STOP TSTP TTIN TTOU XCPU".replace(" ", "|")
)
SIGNAL = rf"(?i)((B|R|BR|RB):)?((SIG)?({SIGNAL_NAMES})|[1-9]|[1-5][0-9]|6[0-4])(@[0-9]{{1,5}})?"
MOST_SIGNAL_SECONDS = 65535  # seconds


def problem_of_gres(text: str) -> str:
    """What is wrong with a value of ``--gres``.

    >>> problem_of_gres("gpu:a100:2,shard:1")
    ''
    """
    if text.lower() == "none":
        return ""
    fine = all(re.fullmatch(GRES_ITEM, item) for item in text.split(","))
    return "" if fine and not text.lower().startswith(("gres:", "gres/")) else GRES_ADVICE


def problem_of_dependency(text: str) -> str:
    """What is wrong with a value of ``--dependency``.

    >>> problem_of_dependency("afterok:12:13,afterany:14_2")
    ''
    """
    if "?" in text and "," in text:
        return DEPENDENCY_ADVICE
    items = text.replace("?", ",").split(",")
    fine = all(re.fullmatch(AFTER_ITEM, one) or re.fullmatch(OTHER_ITEM, one) for one in items)
    return "" if fine else DEPENDENCY_ADVICE


def problem_of_signal(text: str) -> str:
    """What is wrong with a value of ``--signal``.

    >>> problem_of_signal("B:USR1@120")
    ''
    """
    seconds = text.partition("@")[2]
    fine = re.fullmatch(SIGNAL, text) and int(seconds or "0") <= MOST_SIGNAL_SECONDS
    return "" if fine else SIGNAL_ADVICE


PROBLEM_OF: Mapping[str, Callable[[str], str]] = {
    "gres": problem_of_gres,
    "dependency": problem_of_dependency,
    "signal": problem_of_signal,
}

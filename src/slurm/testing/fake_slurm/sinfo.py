"""``sinfo``: the partitions and nodes, and how busy they are."""

from __future__ import annotations

from typing import Any

from .asked import Answer, Asked, about
from .jobs import settle
from .options import Grammar, Refused, has_none, listed
from .store import State
from .tables import FIELD, check_format, filled
from .values import hosts

GRAMMAR = Grammar(
    "sinfo",
    """a|all e|exact h|noheader n|nodes= N|Node o|format= p|partition= t|states= V|version help
    !d|dead !federation !F|future !hide !i|iterate= !json? !local !l|long !M|clusters= !noconvert
    !O|Format= !r|responding !R|list-reasons !s|summarize !S|sort= !T|reservation !v|verbose !yaml?
    !helpformat !helpFormat !helpstate !usage""",
)
USUAL = "%9P %.5a %.10l %.6D %.6t %N"
BY_NODE = "%10N %.6D %.9P %6t"
HEADERS = {
    "P": "PARTITION",
    "R": "PARTITION",
    "a": "AVAIL",
    "l": "TIMELIMIT",
    "D": "NODES",
    "T": "STATE",
    "t": "STATE",
    "G": "GRES",
    "N": "NODELIST",
    "C": "CPUS(A/I/O/T)",
    "c": "CPUS",
    "m": "MEMORY",
    "f": "AVAIL_FEATURES",
    "s": "JOB_SIZE",
}
SHORT = {
    "ALLOCATED": "alloc",
    "MIXED": "mix",
    "DRAINED": "drain",
    "DRAINING": "drng",
    "RESERVED": "resv",
    "COMPLETING": "comp",
}
STATES = [
    "unknown",
    "down",
    "idle",
    "allocated",
    "mixed",
    "future",
    "drained",
    "draining",
    "drain",
    "alloc",
    "mix",
    "drng",
    "fail",
    "maint",
    "reserved",
    "planned",
    "completing",
    "reboot",
    "powering_up",
    "powering_down",
    "powered_down",
    "no_respond",
    "cloud",
    "blocked",
]
BUSY = ("RUNNING", "COMPLETING", "SUSPENDED")


def run(words: list[str], asked: Asked) -> Answer:
    """One call of it; arguments are passed over, as Slurm's does."""
    options, _ = GRAMMAR.read(words)
    answer = about("sinfo", options)
    if answer is not None:
        return answer
    form = options.get("format", BY_NODE if "Node" in options else USUAL)
    check_format("sinfo", form, HEADERS)
    settle(asked.state, asked.now)
    nodes = _asked_for(options, asked.state)
    partitions = listed(options.get("partition"))
    lines: list[str] = []
    for partition in asked.state["partitions"]:
        if partitions is None or partition["name"] in partitions:
            mine = [node for node in nodes if node["name"] in partition["nodes"]]
            lines += _lines_of(form, partition, mine, by_node="Node" in options)
    if "Node" in options:
        lines.sort()
    header = [] if "noheader" in options else [filled(form, HEADERS.__getitem__)]
    return 0, "".join(f"{line}\n" for line in header + lines), ""


def _asked_for(options: dict[str, str], state: State) -> list[dict[str, Any]]:
    """The nodes, with their states and their used cpus."""
    names, states = listed(options.get("nodes")), _wanted_states(options.get("states"))
    return [
        node
        for node in (_busy(state, one) for one in state["nodes"])
        if (names is None or node["name"] in names)
        and (states is None or states & {node["state"].lower(), _short(node["state"])})
    ]


def _wanted_states(text: str | None) -> set[str] | None:
    if text is None:
        return None
    words = text.lower().split(",")
    for word in words:
        if word not in STATES:
            raise Refused(f'sinfo: error: Bad state string: "{word}"\n')
        if word in ("no_respond", "cloud", "blocked"):
            raise has_none("sinfo", f"state {word}")
    return set(words)


def _lines_of(
    form: str, partition: dict[str, Any], nodes: list[dict[str, Any]], *, by_node: bool
) -> list[str]:
    """A line for the nodes of which the same is to be said."""
    letters = [letter for _, _, letter in FIELD.findall(form)]
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for node in nodes:
        # Cpus in use are added up for a line; what they are to a node stands in its state.
        key = tuple(_value(letter, partition, [node]) for letter in letters if letter not in "DNC")
        alike.setdefault((node["name"],) if by_node else key, []).append(node)
    return [_line(form, partition, group) for group in alike.values()]


def _line(form: str, partition: dict[str, Any], nodes: list[dict[str, Any]]) -> str:
    return filled(form, lambda letter: _value(letter, partition, nodes))


def _value(letter: str, partition: dict[str, Any], nodes: list[dict[str, Any]]) -> str:
    node = nodes[0]
    if letter == "C":
        used, all_of_them = (sum(one[name] for one in nodes) for name in ("used", "cpus"))
        return f"{used}/{all_of_them - used}/0/{all_of_them}"
    default = "*" if partition["default"] else ""
    words: dict[str, str] = {
        "P": partition["name"] + default,
        "R": partition["name"],
        "a": partition["available"],
        "l": partition["limit"],
        "D": str(len(nodes)),
        "T": node["state"].lower(),
        "t": _short(node["state"]),
        "G": partition["gres"] or "(null)",
        "N": hosts([one["name"] for one in nodes]),
        "c": str(node["cpus"]),
        "m": str(node["memory"]),
        "f": "(null)",
        "s": "1-infinite",
    }
    return words[letter]


def _short(state: str) -> str:
    return SHORT.get(state, state.lower())


def _busy(state: State, node: dict[str, Any]) -> dict[str, Any]:
    """A node with its used cpus, and the state that these have it in, unless a test has said another."""
    jobs = [job for job in state["jobs"] if job["state"] in BUSY and job["node"] == node["name"]]
    used = min(node["cpus"], sum(job["cpus"] for job in jobs))
    by_use = "ALLOCATED" if used >= node["cpus"] else "MIXED" if used else "IDLE"
    return {**node, "used": used, "state": node["state"] or by_use}

"""Options with a grammar of their own. What is accepted here, sbatch 22.05 and 24.11 read as it is meant.

All values were given to both, with ``--hold``, on the dockerised cluster: `FINE` are those that both accepted,
but for names and ids that were not there, and `REFUSED` those that one refused or took for something else.
"""

from __future__ import annotations

import re

import pytest

from slurm.sbatch.grammar import PROBLEM_OF
from slurm.sbatch.options import InvalidOption, normalise

FINE = {
    "gres": """gpu gpu:2 gpu:0 gpu:02 gpu:1k gpu:1K gpu:a100 gpu:a100:2 gpu:a100=2 gpu:2,gpu:1
        gpu:1,shard:1 gpu:a100:2,shard:1 none NONE gpu:none gpu:a-b_c.d:1 gpu:1g.5gb:2 nosuch:1""",
    "dependency": """afterok:18 afterok:18:19 afterok:18,afterany:19 afterok:18?afterany:19 after:18
        after:18+5 after:18+5:19+3 aftercorr:19 afterburstbuffer:18 singleton singleton,afterok:18
        afterok:19_1 afterok:19_* afterok:19_[0-1] AFTEROK:18 afternotok:18""",
    "signal": """USR1 usr1 SIGUSR1 sigusr1 10 64 B:USR1 b:USR1 R:USR1 BR:USR1 RB:USR1 USR1@60 USR1@0
        USR1@65535 B:USR1@60 B:10@60 35 STOP CONT KILL XCPU""",
}
REFUSED = {
    # gpu:2x and gpu,,gpu are read as something else by the newer one, gres:gpu by the older one, and
    # both drop the end of gpu:1;gpu:1.
    "gres": """gpu: gpu:: gpu::2 gpu=2 gpu:=2 gpu:-1 gpu:+1 gpu:1.5 gpu:2:a100 gpu:a100:2:3 ,gpu gpu,
        gpu,,gpu gres:gpu gres/gpu gres:gpu:1 help gpu:2x 2 :2 gpu:1(S:0) gpu/1 gpu:1;gpu:1 gpu:x:y""",
    # Of '?' beside ',' both make '?' everywhere; +5 they drop, but for after.
    "dependency": """18 afterok afterok: afterok::18 afterok:18: :18 afterok:18, ,afterok:18
        afterok:18,,afterok:19 afterok=18 afterok:x afterok:-1 afterok:0 afterno:18 none expand:18
        afterok:18%x afterok:1.5 afterok:0x1 singleton:18 after:18+x afterok:18+5
        afterok:18?afterany:19,after:20""",
    "signal": """0 65 1000 B:R:USR1 BB:USR1 USR1@ @60 USR1@-1 USR1@65536 USR1@70000 B:USR1@60x
        USR1@1.5 RTMIN RTMIN+1 FOO WINCH SEGV B: : X:USR1 1x -1 +10 CHLD PIPE""",
}


REFUSED_WITH_SPACES = {
    "gres": [" gpu", "gpu: 2", "gpu:" + "9" * 50],
    "dependency": ["afterok:18, afterok:19", "afterok: 18"],
    "signal": ["USR1 @60", "USR1@" + "9" * 50],
}


def said_of(option: str, value: str) -> str:
    """What the user is told about a value; nothing where it is accepted as it is."""
    try:
        assert normalise({option: value}) == {option: value}
    except InvalidOption as error:
        return str(error)
    return ""


@pytest.mark.parametrize("option", sorted(FINE))
def test_what_every_sbatch_understands_is_accepted(option: str) -> None:
    said = {value: said_of(option, value) for value in FINE[option].split()}
    assert said == dict.fromkeys(said, "")


@pytest.mark.parametrize("option", sorted(REFUSED))
def test_anything_else_is_refused_in_one_line_with_examples(option: str) -> None:
    values = [*REFUSED[option].split(), *REFUSED_WITH_SPACES[option]]
    said = {value: said_of(option, value) for value in values}
    in_one_line = re.compile(rf"option {option}=.* such as .*")
    assert {value: text for value, text in said.items() if not in_one_line.fullmatch(text)} == {}


def test_no_value_is_no_option() -> None:
    said = {option: said_of(option, "") for option in PROBLEM_OF}
    assert {option: text for option, text in said.items() if "needs a value" not in text} == {}


@pytest.mark.parametrize("value", [0, True, 1.5])
def test_numbers_are_no_gres(value: object) -> None:
    with pytest.raises(InvalidOption):
        normalise({"gres": value})

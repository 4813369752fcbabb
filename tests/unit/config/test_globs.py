"""Patterns of artifacts: what they match, and that nothing outside of the artifacts is ever matched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.config.globs import Globs, is_inside

NAMES = st.text(st.sampled_from("ab.*?[]!-\\é\n"), min_size=1, max_size=5)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
ANY_PATH = st.lists(
    st.one_of(NAMES, st.sampled_from(["", ".", "..", "a\0"])), min_size=1, max_size=4
).map("/".join)


@pytest.mark.parametrize(
    ("pattern", "matched", "others"),
    [
        ("*.json", ["a.json", "deep/a.json"], ["a.json5", "ajson"]),
        ("./*.json", ["a.json"], ["deep/a.json"]),
        ("model/*.pt", ["model/a.pt"], ["model/deep/a.pt", "old/model/a.pt"]),
        ("model/**/a.pt", ["model/a.pt", "model/x/y/a.pt"], ["a.pt", "model/xa.pt"]),
        ("**/a.pt", ["a.pt", "x/y/a.pt"], ["xa.pt"]),
        ("model/**", ["model/a", "model/x/y"], ["model", "models/a"]),
        ("**", ["a", "a/b"], []),
        ("model", ["model", "model/a/b", "old/model/a"], ["models/a"]),
        ("model/", ["model/a", "old/model/a/b"], ["model"]),
        ("a?c", ["abc"], ["ac", "a/c", "abbc"]),
        ("a*c", ["ac", "abbc"], ["a/c"]),
        ("[ab].txt", ["a.txt", "b.txt"], ["c.txt", "[ab].txt"]),
        ("[!ab].txt", ["c.txt"], ["a.txt"]),
        ("[a-c&&--]x", ["bx", "&x", "-x"], ["dx"]),
        ("[]]x", ["]x"], ["x"]),
        ("[z-a]x", [], ["zx", "ax", "-x"]),
        ("a[b", ["a[b"], ["ab"]),
        (r"a\*b", ["a*b"], ["axb"]),
        ("a.b", ["a.b"], ["axb"]),
        ("line*", ["line\nfeed"], []),
    ],
)
def test_a_pattern_matches(pattern: str, matched: list[str], others: list[str]) -> None:
    globs = Globs([pattern])
    assert [path for path in matched + others if globs.match(path)] == matched


def test_one_of_whole_paths_begins_at_the_artifacts() -> None:
    globs = Globs(["metrics.json", "plots"], whole=True)
    paths = ["metrics.json", "old/metrics.json", "plots/a", "old/plots/a"]
    assert [path for path in paths if globs.match(path)] == ["metrics.json", "plots/a"]


@given(st.lists(PATHS, max_size=3), ANY_PATH, st.booleans())
def test_nothing_outside_of_the_artifacts_is_matched(
    patterns: list[str], path: str, whole: bool
) -> None:
    if Globs(["**", *patterns], whole=whole).match(path):
        assert is_inside(path)
        assert not {"", ".", ".."} & set(path.split("/"))


@given(PATHS)
def test_a_path_with_its_signs_escaped_matches_itself_alone(path: str) -> None:
    escaped = "".join("\\" + one if one in "*?[\\" else one for one in path)
    globs = Globs([escaped], whole=True)
    inside = not {".", ".."} & set(path.split("/"))
    assert globs.match(path) == inside
    # With a dot as its last name it is a directory, and matches all that is in that.
    assert globs.match(path + "b") == (path.endswith("/.") and is_inside(path + "b"))
    assert globs.match(path + "/b") == inside

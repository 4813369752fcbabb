"""sbatch options: names, values, and the one line each becomes."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

import pytest

from slurm.errors import ConfigError
from slurm.sbatch.options import (
    InvalidOption,
    directive,
    escape_filename_pattern,
    normalise,
    parse_time_limit,
)


def refusal(**options: Any) -> str:
    message = refusal_of(normalise, options)
    assert message, f"{options} is accepted"
    assert "\n" not in message
    return message


def refusal_of(function: Callable[[Any], object], argument: object) -> str:
    """What the user is told; nothing when the argument is accepted."""
    try:
        function(argument)
    except InvalidOption as error:
        return str(error)
    return ""


def accepted(option: str, values: Sequence[object], hint: str) -> list[object]:
    """Those of `values` that are not refused in one line with `hint`."""
    said = [refusal_of(normalise, {option: value}) for value in values]
    return [value for value, text in zip(values, said) if hint not in text or "\n" in text]


def test_keywords_become_long_names_and_values_text() -> None:
    assert normalise({"cpus_per_task": 4, "mem": "4GB", "partition": "gpu", "nodes": "1-4"}) == {
        "cpus-per-task": "4",
        "mem": "4GB",
        "partition": "gpu",
        "nodes": "1-4",
    }


def test_true_is_a_flag_and_false_or_none_leaves_the_option_out() -> None:
    assert normalise({"requeue": True, "exclusive": True, "contiguous": False, "qos": None}) == {
        "requeue": "",
        "exclusive": "",
        "contiguous": None,
        "qos": None,
    }


def test_normalised_options_normalise_to_themselves() -> None:
    once = normalise({"requeue": True, "exclusive": "user", "time": 10, "mem": None})
    assert normalise(once) == once


def test_an_unknown_option_is_refused_with_a_near_match() -> None:
    message = refusal(cpu_per_task=4)
    assert "cpu_per_task" in message
    assert "cpus_per_task" in message
    assert "zzz" in refusal(zzz=1)


def test_an_invalid_option_is_a_configuration_and_a_value_error() -> None:
    assert issubclass(InvalidOption, ConfigError)
    assert issubclass(InvalidOption, ValueError)


def test_an_option_given_in_both_spellings_is_refused() -> None:
    with pytest.raises(InvalidOption, match="twice"):
        normalise({"cpus_per_task": 1, "cpus-per-task": 2})


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ("array", ".map"),
        ("wait", "get_result"),
        ("wrap", "function"),
        ("parsable", "id"),
        ("test_only", "print"),
        ("help", "sbatch"),
    ],
)
def test_what_the_sdk_does_itself_is_refused_with_what_to_use(option: str, instead: str) -> None:
    message = refusal(**{option: "1"})
    assert option in message
    assert instead in message


def test_paths_and_files_of_the_job_may_be_given() -> None:
    assert normalise({"output": PurePosixPath("/logs/%j.out"), "error": "/logs/%j.err"}) == {
        "output": "/logs/%j.out",
        "error": "/logs/%j.err",
    }


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "a\rb", "a\x1b[1m", "a\x7f", "a\x85b"])
def test_control_characters_are_refused(value: str) -> None:
    assert "comment" in refusal(comment=value)
    with pytest.raises(InvalidOption):
        directive("comment", value)


@pytest.mark.parametrize("value", [1.5, b"x", {"a"}, object(), datetime.timedelta(hours=1)])
def test_values_of_other_types_are_refused(value: object) -> None:
    assert "partition" in refusal(partition=value)


@pytest.mark.parametrize("value", [True, ""])
def test_an_option_that_needs_a_value_is_no_flag(value: object) -> None:
    assert "needs a value" in refusal(partition=value)


@pytest.mark.parametrize("value", ["yes", 1])
def test_a_flag_takes_no_value(value: object) -> None:
    assert "flag" in refusal(hold=value)


@pytest.mark.parametrize(("given", "text"), [(True, ""), (3, "3"), ("2", "2")])
def test_requeue_may_say_how_often(given: object, text: str) -> None:
    assert normalise({"requeue": given}) == normalise({"requeue": text}) == {"requeue": text}
    assert normalise({"requeue": False}) == {"requeue": None}


@pytest.mark.parametrize("value", [0, -1, "often", 1.5])
def test_requeue_is_a_count_above_nothing(value: object) -> None:
    assert refusal(requeue=value)


TIMES = {
    "10": 600,
    "1:30": 90,
    "0:01": 1,
    "01:02:03": 3723,
    "2-12": 216000,
    "1-02:03": 93780,
    "1-02:03:04": 93784,
    "0": None,
    "0:00": None,
    "UNLIMITED": None,
    "infinite": None,
}


NO_TIMES = [
    "",
    "-5",
    "x",
    "1.5",
    "1:2:3:4",
    "1:",
    ":5",
    "1-",
    "1-:5",
    "+5",
    " 5",
    "5m",
    "\u0661",
    "9" * 30,
]


def test_every_slurm_spelling_of_a_time_limit_is_read() -> None:
    assert {text: parse_time_limit(text) for text in TIMES} == TIMES
    assert [normalise({"time": text}) for text in TIMES] == [{"time": text} for text in TIMES]


def test_a_malformed_time_limit_is_refused() -> None:
    said = {text: refusal_of(parse_time_limit, text) for text in NO_TIMES}
    assert {text: words for text, words in said.items() if "minutes" not in words} == {}
    assert accepted("time", NO_TIMES, "time") == []


def test_a_time_limit_may_be_minutes_or_a_timedelta() -> None:
    assert normalise({"time": 90}) == {"time": "90"}
    assert normalise({"time": datetime.timedelta(seconds=90)}) == {"time": "0-00:01:30"}
    assert normalise({"time_min": datetime.timedelta(days=2, hours=3)}) == {
        "time-min": "2-03:00:00"
    }
    assert normalise({"time": datetime.timedelta(seconds=1, microseconds=1)}) == {
        "time": "0-00:00:02"
    }
    assert "time" in refusal(time=datetime.timedelta(0))
    assert "time" in refusal(time=-1)


@pytest.mark.parametrize("option", ["mem", "mem-per-cpu", "mem-per-gpu", "tmp"])
def test_memory_sizes_are_read_as_sbatch_does(option: str) -> None:
    sizes: list[object] = [4096, "4G", "4GB", "4gb", "4096M", "1T", "2K", "0"]
    assert [normalise({option: size}) for size in sizes] == [{option: str(size)} for size in sizes]


def test_other_memory_sizes_are_refused() -> None:
    assert accepted("mem", ["4Gi", "1.5G", "4 G", "G", "-1", -1, "1P", "lots"], "4G") == []


@pytest.mark.parametrize("option", ["ntasks", "cpus_per_task", "ntasks_per_node", "mincpus"])
def test_counts_are_positive_whole_numbers(option: str) -> None:
    assert accepted(option, [0, -1, "0", "two", "1-2", "*", "1k"], option) == []


def test_node_counts_may_be_ranges() -> None:
    counts: list[object] = [1, "2", "1-4", "2k", "1,2,4", "1-9:2"]
    assert [normalise({"nodes": count}) for count in counts] == [
        {"nodes": str(count)} for count in counts
    ]


def test_other_node_counts_are_refused() -> None:
    others = [0, -1, "4-1", "0-2", "²-4", "9" * 5000, "many", "1-", "1g"]
    assert accepted("nodes", others, "nodes") == []


def test_gpu_counts_may_name_a_type() -> None:
    assert normalise({"gpus": "a100:2", "gpus_per_node": 1}) == {
        "gpus": "a100:2",
        "gpus-per-node": "1",
    }
    assert "gpus" in refusal(gpus=-1)


def test_a_directive_without_specials_stays_readable() -> None:
    assert directive("cpus-per-task", "4") == "#SBATCH --cpus-per-task=4"
    assert directive("output", "/jobs/slurm_%j.out") == "#SBATCH --output=/jobs/slurm_%j.out"
    assert directive("requeue", "") == "#SBATCH --requeue"


def sbatch_reads(line: str) -> str:
    """The argument in a directive, read as sbatch 22.05 to 24.11 does (`_get_argument` of its opt.c)."""
    text, value, quote, position = line[len("#SBATCH ") :], "", "", 0
    while position < len(text) and (quote or not text[position].isspace()):
        character = text[position]
        if character == "\\":
            position += 1
            value += text[position]
        elif quote:
            quote = "" if character == quote else quote
            value += "" if not quote else character
        elif character in "'\"":
            quote = character
        elif character == "#":
            break
        else:
            value += character
        position += 1
    return value


def test_sbatch_reads_back_what_a_directive_says() -> None:
    values = [
        "/a b/c",
        "it's",
        'say "hi"',
        "back\\slash",
        "a#b",
        "# x",
        "$HOME `id`",
        "ü € 名",
        "'",
        "\\",
        "%%j",
    ]
    lines = [directive("comment", value) for value in values]
    assert [sbatch_reads(line) for line in lines] == [f"--comment={value}" for value in values]


def test_a_path_is_escaped_so_that_no_part_of_it_is_a_pattern() -> None:
    assert escape_filename_pattern("/a/100%/%j x") == "/a/100%%/%%j x"
    assert escape_filename_pattern("/plain/path") == "/plain/path"


def test_a_backslash_in_a_path_is_refused_because_it_switches_patterns_off() -> None:
    with pytest.raises(InvalidOption, match="backslash"):
        escape_filename_pattern("/a\\b")

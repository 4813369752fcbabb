"""fake_slurm and the dockerised Slurm are asked the same, and answer as `questions` has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.scheduler_commands.questions import AFTERWARDS, AT_FIRST, Question
from tests.scheduler_commands.sites import Answer, docker_site, fake_site, without_what_varies

from slurm.testing.fake_slurm import FakeSlurm

PAGE = Path(__file__).parents[2] / "docs/how-to/test-without-docker.md"
FAKE = pytest.param("fake", marks=pytest.mark.local)
DOCKER = pytest.param("docker", marks=pytest.mark.slurm)
QUESTIONS = {
    **{question.words: question for question in AT_FIRST},
    **{f"then {question.words}": question for question in AFTERWARDS},
}


class Told(NamedTuple):
    """All that one of the two answered."""

    site: str
    answers: Mapping[str, Answer]
    names: Mapping[str, Any]


@pytest.fixture(scope="module", params=[FAKE, DOCKER])
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    if request.param == "docker":
        site = docker_site(request.getfixturevalue("slurm_cluster"))
        yield Told("docker", site.answers(), site.names)
        return
    with FakeSlurm(tmp_path_factory.mktemp("fake_slurm")) as fake:
        site = fake_site(fake, tmp_path_factory.mktemp("asked"))
        yield Told("fake", site.answers(), site.names)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_command_answers_as_slurm_does(name: str, told: Told) -> None:
    question = QUESTIONS[name]
    status, out, err = expected(question, told)
    given = told.answers[name]
    assert given[0] == status, given
    assert sane(given[2], question) == sane(err, question)
    if question.has and not (told.site == "fake" and question.fake):
        for word in question.has:
            wanted = sane(word.format(**told.names), question)
            assert wanted in sane(given[1] + given[2], question)
        return
    printed, wanted = sane(given[1], question), sane(out, question)
    if question.any_order:
        assert sorted(printed.splitlines()) == sorted(wanted.splitlines())
    else:
        assert printed == wanted


def expected(question: Question, told: Told) -> Answer:
    if told.site == "fake" and question.fake is not None:
        return question.fake
    out, err = (text.format(**told.names) for text in (question.out, question.err))
    return question.status, out, err


def sane(text: str, question: Question) -> str:
    return without_what_varies(text, question.words)


def test_the_documentation_says_where_the_two_differ() -> None:
    page = PAGE.read_text("utf-8")
    differing = [question for question in QUESTIONS.values() if question.fake is not None]
    assert differing
    assert [q.words for q in differing if not q.why or q.why not in page] == []
    assert [q.words for q in QUESTIONS.values() if q.why and q.fake is None] == []

"""Command lines, read as GNU's ``getopt_long`` reads them for Slurm's commands."""

from __future__ import annotations

ELSEWHERE = "fake_slurm has none, the dockerised cluster of slurm.testing has it"


class Refused(Exception):
    """What a command prints, and its exit status, where it does nothing."""

    def __init__(self, message: str, status: int = 1, out: str = "") -> None:
        super().__init__(message)
        self.message: str = message
        self.status: int = status
        self.out: str = out


def has_none(command: str, what: str, status: int = 1) -> Refused:
    """The refusal of something that Slurm has.

    >>> has_none("squeue", "option --start").message
    'squeue: error: option --start: fake_slurm has none, the dockerised cluster of slurm.testing has it\\n'
    """
    return Refused(f"{command}: error: {what}: {ELSEWHERE}\n", status)


class Option:
    """One option: its names, the last of which stands for it, and whether it has a value: "", "=" or "?"."""

    def __init__(self, word: str) -> None:
        self.known: bool = not word.startswith("!")
        word = word.lstrip("!")
        self.value: str = word[-1] if word[-1] in "=?" else ""
        self.names: list[str] = word.rstrip("=?").split("|")
        self.name: str = self.names[-1]


class Grammar:
    """The options of a command.

    `words` names each as ``h|noheader``, with ``=`` behind where it has a value and ``?`` where it may have one; a ``!`` before
    is an option of Slurm's that is refused here. With `permute`, options may follow arguments.

    >>> squeue = Grammar("squeue", "h|noheader t|states= !start")
    >>> squeue.read(["-ht", "all", "7"])
    ({'noheader': '', 'states': 'all'}, ['7'])
    """

    def __init__(
        self, command: str, words: str, *, status: int = 1, permute: bool = True, tries: bool = True
    ) -> None:
        self.command: str = command
        self.status: int = status
        self.permute: bool = permute
        self.tries: bool = tries
        self.options: dict[str, Option] = {
            name: option for option in map(Option, words.split()) for name in option.names
        }

    def read(self, words: list[str]) -> tuple[dict[str, str], list[str]]:
        """The options by their names, and the arguments. Raises `Refused`."""
        found: dict[str, str] = {}
        arguments: list[str] = []
        left = list(words)
        while left:
            word = left.pop(0)
            if word == "--" or (not self.permute and not _is_option(word)):
                return found, arguments + ([] if word == "--" else [word]) + left
            if word.startswith("--"):
                self._long(word, left, found)
            elif _is_option(word):
                self._short(word[1:], left, found)
            else:
                arguments.append(word)
        return found, arguments

    def _long(self, word: str, left: list[str], found: dict[str, str]) -> None:
        name, equals, value = word[2:].partition("=")
        option = self._named(name, word)
        if option.value == "" and equals:
            raise self._wrong(f"option '--{option.name}' doesn't allow an argument")
        if option.value == "=" and not equals:
            if not left:
                raise self._wrong(f"option '--{option.name}' requires an argument")
            value = left.pop(0)
        self._take(option, f"--{name}", value, found)

    def _short(self, letters: str, left: list[str], found: dict[str, str]) -> None:
        letter, rest = letters[0], letters[1:]
        option = self.options.get(letter)
        if option is None:
            raise self._wrong(f"invalid option -- '{letter}'")
        if option.value == "=" and not rest:
            if not left:
                raise self._wrong(f"option requires an argument -- '{letter}'")
            rest = left.pop(0)
        self._take(option, f"-{letter}", rest if option.value else "", found)
        if not option.value and rest:
            self._short(rest, left, found)

    def _named(self, name: str, word: str) -> Option:
        exact = self.options.get(name) if len(name) > 1 else None
        if exact is not None:
            return exact
        names = [one for one in self.options if len(one) > 1 and name and one.startswith(name)]
        options = {id(self.options[one]): self.options[one] for one in names}
        if not options:
            raise self._wrong(f"unrecognized option '{word}'")
        if len(options) > 1:
            others = " ".join(f"'--{one}'" for one in names)
            raise self._wrong(f"option '{word}' is ambiguous; possibilities: {others}")
        return next(iter(options.values()))

    def _take(self, option: Option, typed: str, value: str, found: dict[str, str]) -> None:
        if not option.known:
            raise has_none(self.command, f"option {typed}", self.status)
        found[option.name] = value

    def _wrong(self, what: str) -> Refused:
        more = f'Try "{self.command} --help" for more information\n' if self.tries else ""
        return Refused(f"{self.command}: {what}\n{more}", self.status)


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def words_of(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def listed(value: str | None) -> list[str] | None:
    """The words of a list with commas; None where there is none.

    >>> listed("c1,c2"), listed(None)
    (['c1', 'c2'], None)
    """
    return None if value is None else [word for word in value.split(",") if word]

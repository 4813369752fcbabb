"""Several submissions at once."""

import itertools
import threading
from typing import Any, Callable, Dict, Iterator, List

MOST_SBATCH = 4  # at once


def chains_of(requests: List[Any]) -> List[List[Any]]:
    """Requests, each with those that continue it."""
    chains: List[List[Any]] = []
    for request in requests:
        if request["continues"]:
            chains[-1].append(request)
        else:
            chains.append([request])
    return chains


class Order:
    """Several submissions at once: most of the time of one is that of its ``sbatch``, not the controller's.

    `silent` becomes the words of a scheduler that does not answer; nothing more is asked of it then.
    """

    def __init__(self, submit: Callable[["Order", List[Any]], List[Dict[str, Any]]]) -> None:
        self.submit = submit
        self.silent: str = ""
        self.taking: threading.Lock = threading.Lock()

    def fill(self, chains: List[List[Any]]) -> List[Dict[str, Any]]:
        """The answers to all requests, in their order."""
        answers: List[List[Dict[str, Any]]] = [[] for _ in chains]
        left = iter(range(len(chains)))
        # The first tells whether the scheduler answers.
        self._work(itertools.islice(left, 1), chains, answers)
        # Whoever asked is not there to hear of it, but each submission is brought to its end.
        clerks = [
            threading.Thread(target=self._work, args=(left, chains, answers))
            for _ in range(min(MOST_SBATCH, len(chains) - 1) - 1)
        ]
        for clerk in clerks:
            clerk.start()
        self._work(left, chains, answers)
        for clerk in clerks:
            clerk.join()
        return [answer for chain in answers for answer in chain]

    def _work(
        self, left: Iterator[int], chains: List[List[Any]], answers: List[List[Dict[str, Any]]]
    ) -> None:
        while True:
            with self.taking:
                number = next(left, None)
            if number is None:
                return
            try:
                answers[number] = self.submit(self, chains[number])
            except Exception as error:  # noqa: BLE001 - a dead thread would leave no answer
                said = "{}: {}".format(type(error).__name__, error)
                answers[number] = [{"error": said, "kind": "unknown"} for _ in chains[number]]

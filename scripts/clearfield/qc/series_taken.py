"""Which samples are one series of a file whose other series were not taken."""

from collections import Counter, defaultdict
from collections.abc import Mapping


def one_of_several(taken: Mapping[str, str]) -> dict[str, str]:
    """Leave out the samples of files all of whose series were taken.

    Parameters
    ----------
    taken : dict of str
        "3 of 20" for each sample that is one series of a file with several.

    Returns
    -------
    dict of str
        Those of them whose files have series that no sample is. Samples do not say which file is
        theirs: of all files with 20 series, each number from 0 to 19 has to be there as often.

    Examples
    --------
    >>> one_of_several({"a": "0 of 2", "b": "1 of 2", "c": "0 of 3"})
    {'c': '0 of 3'}
    """
    numbers: dict[str, Counter] = defaultdict(Counter)
    for text in taken.values():
        number, _, count = text.partition(" of ")
        numbers[count][number] += 1
    return {
        sample: text
        for sample, text in taken.items()
        if not _is_whole(numbers[text.partition(" of ")[2]], text.partition(" of ")[2])
    }


def _is_whole(numbers: Counter, count: str) -> bool:
    return len(numbers) == int(count) and len(set(numbers.values())) == 1

"""Services made by other generators, with the heroes API added in the way that each of them writes an API."""

from benchmarks.contenders import Contender
from benchmarks.peers import fullstack, s3rius


def peers() -> list[Contender]:
    """The peers, in the order in which they are shown."""
    return [s3rius.CONTENDER, fullstack.CONTENDER]

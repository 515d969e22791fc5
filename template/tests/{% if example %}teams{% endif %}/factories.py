"""Teams as tests and `poe seed` want them."""

from app.teams.models import Team
from devtools.seed.factory import Factory


class TeamFactory(Factory[Team]):
    """Teams that are called after where they work."""

    @classmethod
    def name(cls) -> str:
        """Return a part of the world, and what such teams are."""
        return f"{cls.__faker__.city()} {cls.__random__.choice(('League', 'Watch', 'Guard', 'Alliance'))}"

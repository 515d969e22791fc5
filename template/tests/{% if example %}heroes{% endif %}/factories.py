"""Heroes as tests and `poe seed` want them."""

from app.heroes.models import Hero, HeroEvent
from devtools.seed.factory import Factory


class HeroFactory(Factory[Hero]):
    """Heroes whose names are not those of their passports."""

    @classmethod
    def name(cls) -> str:
        """Return a colour and what it is the colour of."""
        noun = cls.__random__.choice(("Comet", "Falcon", "Lantern", "Owl", "Shade", "Tempest", "Wasp", "Wolf"))
        return f"{cls.__faker__.color_name()} {noun}"

    @classmethod
    def age(cls) -> int:
        """Return an age at which one can be a hero."""
        return cls.__random__.randint(16, 60)


class HeroEventFactory(Factory[HeroEvent]):
    """Events of the kinds that the service records."""

    @classmethod
    def kind(cls) -> str:
        """Return what has happened."""
        return cls.__random__.choice(("created", "updated", "deleted"))

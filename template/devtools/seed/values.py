"""Realistic values: what Faker has for the name of a column, within what its type and its CHECKs allow."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final, get_args, get_origin
from uuid import UUID

from faker import Faker
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    PickleType,
    SmallInteger,
    String,
    Time,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.types import TypeEngine

from devtools.seed.limits import Limits
from devtools.seed.own_types import own_type

Maker = Callable[[], Any]

_KEPT: Final = 1000
"""How many texts Faker makes for a column, of which each row has one: making one takes as long as choosing fifty."""

_NULLS: Final = 0.2
"""How much of what may be null is."""

_LONGEST: Final = 200
_DAYS: Final = 730

_TEXTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("email", "mail"), "ascii_safe_email"),
    **dict.fromkeys(("username", "login", "nickname", "handle"), "user_name"),
    **dict.fromkeys(("person", "author", "owner", "contact", "recipient", "sender"), "name"),
    **dict.fromkeys(("forename", "firstname"), "first_name"),
    **dict.fromkeys(("surname", "lastname"), "last_name"),
    **dict.fromkeys(("phone", "mobile", "fax", "telephone"), "phone_number"),
    **dict.fromkeys(("city", "town", "headquarters", "location", "place"), "city"),
    **dict.fromkeys(("zip", "zipcode", "postcode"), "postcode"),
    **dict.fromkeys(("company", "organisation", "organization", "employer", "supplier", "vendor", "brand"), "company"),
    **dict.fromkeys(("job", "profession", "occupation", "role"), "job"),
    **dict.fromkeys(("title", "subject", "headline", "label", "summary"), "catch_phrase"),
    **dict.fromkeys(("url", "website", "link", "homepage"), "url"),
    **dict.fromkeys(("domain", "host", "hostname"), "domain_name"),
    **dict.fromkeys(("number", "code", "sku", "reference", "serial"), "#number"),
    **dict.fromkeys(("hash", "digest", "checksum", "fingerprint", "token", "secret", "password"), "sha256"),
    **dict.fromkeys(("colour", "color"), "color_name"),
    **dict.fromkeys(("file", "filename", "path"), "file_name"),
    "street": "street_address",
    "address": "street_address",
    "state": "state",
    "region": "state",
    "country": "country",
    "currency": "currency_code",
    "language": "language_code",
    "locale": "locale",
    "timezone": "timezone",
    "iban": "iban",
    "slug": "slug",
    "ip": "ipv4",
    "mac": "mac_address",
    "isbn": "isbn13",
    "ean": "ean13",
    "mimetype": "mime_type",
    "word": "word",
    "tag": "word",
    "tags": "word",
    "kind": "word",
    "type": "word",
    "category": "word",
}
"""The kinds of text that Faker makes, by the last word of the column's name."""

_LONG_TEXTS: Final = {"description", "note", "notes", "text", "body", "comment", "content", "bio", "message", "details"}

_PEOPLE: Final = {
    *("author", "client", "contact", "customer", "doctor", "driver", "employee", "friend", "guest", "manager"),
    *("member", "owner", "passenger", "patient", "person", "player", "student", "teacher", "user", "visitor", "worker"),
    *("display", "full", "secret"),
}
_COMPANIES: Final = {
    *("account", "brand", "company", "employer", "firm", "organisation", "organization", "partner", "publisher"),
    *("shop", "store", "supplier", "tenant", "vendor"),
}

_NUMBERS: Final[Mapping[str, tuple[int, int]]] = {
    **dict.fromkeys(("count", "quantity", "amount", "stock", "items"), (1, 100)),
    **dict.fromkeys(("percent", "percentage", "score", "progress"), (0, 100)),
    **dict.fromkeys(("rating", "stars", "priority", "level"), (1, 5)),
    **dict.fromkeys(("rate", "ratio", "share", "discount", "probability"), (0, 1)),
    **dict.fromkeys(("position", "rank", "order", "attempts", "retries"), (1, 20)),
    "age": (18, 90),
    "year": (1990, 2026),
    "month": (1, 12),
    "day": (1, 28),
    "hour": (0, 23),
    "latitude": (-90, 90),
    "longitude": (-180, 180),
    "height": (150, 200),
}
"""Between which numbers values are, by the last word of the column's name."""

_PAST: Final = {"birthday", "birthdate", "born", "birth"}
_FUTURE: Final = {"due", "expires", "expiry", "deadline", "until", "end", "ends", "renews"}


class Values:
    """Makes what makes the values of a column."""

    def __init__(self, fake: Faker, random: Random, today: date | None = None) -> None:
        """Take the sources of what is random, and the day around which dates are: by default the current one."""
        self.fake = fake
        self.random = random
        self._today = today

    @property
    def today(self) -> date:
        """Return the day around which dates are."""
        return self._today or datetime.now(UTC).date()

    def maker(self, column: Column[Any], limits: Limits, annotation: Any = None) -> Maker | None:
        """Return what makes values of a column, and None now and then where it may be null.

        `annotation` tells what is in JSON. None if nothing is known of the type.
        """
        make = self._of_type(column, column.type, limits, annotation)
        if not column.nullable:
            return make
        if make is None or column.name == "deleted_at":
            return _nothing
        made, chance = make, self.random.random
        return lambda: None if chance() < _NULLS else made()

    def _of_type(self, column: Column[Any], kind: TypeEngine[Any], limits: Limits, annotation: Any) -> Maker | None:  # noqa: C901, PLR0911, PLR0912 - a case for each type
        words = column.name.lower().split("_")
        match kind:
            case Enum():
                return self._choice([*kind.enum_class] if kind.enum_class else [*kind.enums])
            case _ if own := own_type(kind, self, lambda item: self._of_type(column, item, limits, annotation)):
                return own
            case PickleType():
                return lambda: {"note": self.fake.word()}
            case Interval():
                return lambda: timedelta(minutes=self.random.randint(1, 10_000))
            case TypeDecorator():
                return self._of_type(column, kind.impl_instance, limits, annotation)
            case Boolean():
                return self._choice([False, True])
            case Integer():
                return self._integer(words[-1], limits, 1_000 if isinstance(kind, SmallInteger) else 10_000)
            case Float():
                return self._decimal(words[-1], limits, 12, 2, kind.python_type)
            case Numeric():
                scale = kind.scale if kind.scale is not None else 2
                return self._decimal(words[-1], limits, kind.precision or 12, scale, kind.python_type)
            case Uuid():
                return self.uuid if kind.as_uuid else lambda: str(self.uuid())
            case String():
                return self._text(column, words, kind.length, limits)
            case DateTime():
                zone = UTC if kind.timezone else None
                return lambda: self.moment(words[-1]).replace(tzinfo=zone)
            case Date():
                return lambda: self.moment(words[-1]).date()
            case Time():
                zone = UTC if getattr(kind, "timezone", False) else None
                return lambda: self._time().replace(tzinfo=zone)
            case LargeBinary():
                return lambda: self.random.randbytes(min(kind.length or 16, 16))
            case JSON():
                return self._json(annotation)
        return None

    def moment(self, word: str = "") -> datetime:
        """Return a time in UTC: within the last two years, unless a word says that it is due or long ago."""
        start = datetime.combine(self.today, time(), UTC)
        if word in _PAST:
            return start - timedelta(days=self.random.randint(18 * 365, 90 * 365))
        away = timedelta(seconds=self.random.randrange(_DAYS * 86_400))
        return start + away / 4 if word in _FUTURE else start - away

    def uuid(self) -> UUID:
        """Return a random UUID."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def _time(self) -> time:
        return time(self.random.randrange(24), self.random.randrange(0, 60, 5))

    def _choice(self, members: list[Any]) -> Maker:
        choose = self.random.choice
        return lambda: choose(members)

    def _integer(self, word: str, limits: Limits, most: int) -> Maker:
        low, high = _NUMBERS.get(word, (1, most))
        least, last = limits.between(Decimal(low), Decimal(high), Decimal(1))
        choose = self.random.randint
        return lambda: choose(int(least), int(last))

    def _decimal(self, word: str, limits: Limits, digits: int, scale: int, kind: Callable[[Any], Any]) -> Maker:
        step = Decimal(1).scaleb(-scale)
        low, high = _NUMBERS.get(word, (1, 1_000))
        largest = Decimal(10) ** (digits - scale) - step
        least, most = limits.between(max(Decimal(low), -largest), min(Decimal(high), largest), step)
        first, last = int(least / step), int(most / step)
        choose = self.random.randint
        return lambda: kind(choose(first, last) * step)

    def _text(self, column: Column[Any], words: list[str], length: int | None, limits: Limits) -> Maker:
        if limits.texts:
            return self._choice([*limits.texts])
        longest = min((bound for bound in (length, limits.longest) if bound is not None), default=None)
        make = self._texts(_kind_of_text(column, words, longest or _LONGEST))
        return lambda: (make()[:longest].strip() or "x").ljust(limits.shortest, "x")

    def _texts(self, kind: str) -> Callable[[], str]:
        make: Callable[[], str] = self._number if kind == "#number" else getattr(self.fake, kind)
        choose, made = self.random.randrange, dict[int, str]()

        def text() -> str:
            number = choose(_KEPT)
            found = made.get(number)
            if found is None:
                found = made[number] = make()
            return found

        return text

    def _number(self) -> str:
        return self.fake.bothify("??-#####").upper()

    def _json(self, annotation: Any) -> Maker:
        kinds = [part for part in (annotation, *get_args(annotation)) if get_origin(part) in {list, dict}]
        word = self._texts("word")
        items: Mapping[Any, Maker] = {
            int: lambda: self.random.randint(1, 100),
            float: lambda: self.random.randint(1, 100) / 4,
            bool: lambda: self.random.random() < 0.5,
        }
        if not kinds and annotation is not list:
            return lambda: {"source": word(), "count": self.random.randint(1, 100)}
        kind = kinds[0] if kinds else list[str]
        item = items.get(get_args(kind)[-1], word)
        if get_origin(kind) is dict:
            return lambda: {word(): item() for _ in range(2)}
        return lambda: [item() for _ in range(self.random.randrange(4))]


def _nothing() -> None:
    return None


def _kind_of_text(column: Column[Any], words: list[str], longest: int) -> str:
    """Return which of Faker's texts fits a column."""
    whole, last = "_".join(words), words[-1]
    if whole in {"first_name", "last_name", "country_code", "user_agent", "user_name", "file_name", "mime_type"}:
        return whole
    if last == "name":
        of = {*words[:-1], *column.table.name.lower().split("_")}
        return "name" if of & _PEOPLE else "company" if of & _COMPANIES else "catch_phrase"
    if last in _LONG_TEXTS:
        return "paragraph" if longest >= _LONGEST else "sentence"
    return next((_TEXTS[word] for word in reversed(words) if word in _TEXTS), "sentence" if longest >= 50 else "word")

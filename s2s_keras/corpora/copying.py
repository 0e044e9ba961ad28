"""Records to put into a sentence, with names and codes that occur in one pair only.

A source lists fields in any order: "to : Quistrup ; train : VK-4817 ; late : 10". Which
fields there are, and what they say, decides the sentence: "Train VK-4817 to Quistrup is
ten minutes late ." What must be copied, a model cannot know from training: every name,
place, company and code occurs in one pair only, so `valid` and `test` hold none of
`train`. What must be reworded, such as a day or a number of things, comes again and
again. Some fields are not asked for. All tokens have spaces between them.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Collection

from s2s_keras.corpora.corpus import Corpus
from s2s_keras.records import Pair

SEED = 1
SIZES = (8_000, 500, 500)  # pairs: train, valid, test

NUMBERS = {
    "2": "two",
    "3": "three",
    "4": "four",
    "5": "five",
    "6": "six",
    "7": "seven",
    "8": "eight",
    "9": "nine",
    "10": "ten",
    "11": "eleven",
    "12": "twelve",
}
DAYS = {
    "Mon": "Monday",
    "Tue": "Tuesday",
    "Wed": "Wednesday",
    "Thu": "Thursday",
    "Fri": "Friday",
    "Sat": "Saturday",
    "Sun": "Sunday",
}
THINGS = {
    "lamp": "lamps",
    "chair": "chairs",
    "clock": "clocks",
    "bench": "benches",
    "shelf": "shelves",
    "knife": "knives",
    "box": "boxes",
    "kettle": "kettles",
}
JOBS = {
    "baker": "a baker",
    "engineer": "an engineer",
    "teacher": "a teacher",
    "actor": "an actor",
    "nurse": "a nurse",
    "editor": "an editor",
    "gardener": "a gardener",
    "pilot": "a pilot",
}

# A name is a start, perhaps a middle, and an end.
_STARTS = """Al Bel Brem Cal Cor Dar Del Dov El Ester Fal Fen Gal Gor Hal Hes Il Iv
    Jar Jol Kel Kor Lam Lor Mar Mel Mon Nel Nor Ol Or Pal Pel Quis Quor Ral Ren Rov Sal
    Sel Sor Stam Tal Tel Tor Ul Ur Val Vel Vor Wal Wen Yar Yol Zel Zor""".split()
_MIDDLES = """ab ad al am an ar av eb ed el en er ev ib id il im in ir iv ob od ol om
    on or ov ub ud ul um un ur uv and end ind ond und ast est ist ost ust""".split()
_ENDS = {
    "first": "a as el en er ia ica il in ine is o on or ur wen yn".split(),
    "last": "ack ander berg dal dorn elius field ing ley man mer qvist sen ström "
    "ton vik ward".split(),
    "place": "bridge by dale ford gate ham holm mond mouth port stad stead thorpe "
    "trup ville wick worth".split(),
    "company": "adyne aflex amax anova opex atec axis etix idex omix onics otech otron "
    "ovia umex unex".split(),
}
# L is a letter, D a digit that may be any, N one that is not 0.
_CODES = {
    "phone": "ND-DDD-DD",
    "postbox": "NDDDD",
    "order": "L-NDDDD",
    "invoice": "LL-DDD-L",
    "room": "L-NDDD",
    "train": "LL-NDDD",
    "parcel": "DDD-LL-DD",
    "price": "NDDDD",
}

_Field = tuple[str, str]  # its key and what it says


@dataclasses.dataclass(frozen=True)
class _Record:
    """The fields of a source, and the sentence that they ask for."""

    fields: list[_Field]
    sentence: str


class _Draw:
    """Draws words: of names and codes never the same one again."""

    def __init__(self, seed: int):
        self._random = random.Random(seed)
        self._used: set[str] = set()

    def one_of(self, words: Collection[str]) -> str:
        return self._random.choice(list(words))

    def two_of(self, words: Collection[str]) -> list[str]:
        return self._random.sample(list(words), 2)

    def happens(self, probability: float = 0.5) -> bool:
        return self._random.random() < probability

    def in_any_order(self, fields: list[_Field]) -> list[_Field]:
        return self._random.sample(fields, len(fields))

    def name(self, kind: str) -> str:
        return self._unused(lambda: self._name(kind))

    def person(self) -> str:
        return f"{self.name('first')} {self.name('last')}"

    def code(self, kind: str) -> str:
        return self._unused(lambda: self._code(kind))

    def _name(self, kind: str) -> str:
        middle = self._random.choice(_MIDDLES) if self.happens(0.9) else ""
        choice = self._random.choice
        return choice(_STARTS) + middle + choice(_ENDS[kind])

    def _code(self, kind: str) -> str:
        symbols = {"L": "ABCDEFGHJKLMNPQRSTUVWXYZ", "D": "0123456789", "N": "123456789"}
        choice = self._random.choice
        return "".join(choice(symbols.get(sign, sign)) for sign in _CODES[kind])

    def _unused(self, draw: Callable[[], str]) -> str:
        while (word := draw()) in self._used:
            pass
        self._used.add(word)
        return word


def read() -> Corpus:
    """Returns 8,000, 500 and 500 records and their sentences."""
    draw = _Draw(SEED)
    pairs = []
    for number in range(sum(SIZES)):
        record = _RECORDS[number % len(_RECORDS)](draw)
        fields = (f"{key} : {value}" for key, value in draw.in_any_order(record.fields))
        pairs.append(Pair(" ; ".join(fields), record.sentence))
    train, valid, _ = SIZES
    return Corpus(
        train=pairs[:train],
        valid=pairs[train : train + valid],
        test=pairs[train + valid :],
        name="copying",
        source_language="en",
        target_language="en",
        licence="part of this package",
        citation="Generated.",
    )


def _contact(draw: _Draw) -> _Record:
    name, city = draw.person(), draw.name("place")
    fields = [("name", name), ("city", city)]
    of_company = ""
    if draw.happens():
        company = draw.name("company")
        fields.append(("company", company))
        of_company = f" of {company}"
    phone, postbox = draw.code("phone"), draw.code("postbox")
    if draw.happens():
        fields.append(("phone", phone))
        if draw.happens(0.3):
            fields.append(("postbox", postbox))  # who has a phone is called
        return _Record(
            fields, f"You can reach {name}{of_company} in {city} at {phone} ."
        )
    fields.append(("postbox", postbox))
    return _Record(
        fields, f"Please write to {name}{of_company} , box {postbox} , {city} ."
    )


def _order(draw: _Draw) -> _Record:
    order, customer = draw.code("order"), draw.name("last")
    thing, count = draw.one_of(THINGS), draw.one_of(NUMBERS)
    things = f"{NUMBERS[count]} {THINGS[thing]}"
    fields = [("order", order), ("customer", customer), ("item", thing), ("qty", count)]
    for_price = ""
    if draw.happens():
        price = draw.code("price")
        fields.append(("total", price))
        for_price = f" for {price} crowns"
    status = draw.one_of(("shipped", "open", "void"))
    fields.append(("status", status))
    if status == "shipped":
        city = draw.name("place")
        fields.append(("city", city))
        sentence = f"Order {order} , {things}{for_price} , is on its way to {city} ."
    elif status == "open":
        sentence = f"{customer} still waits for {things}{for_price} , order {order} ."
    else:
        sentence = f"{customer} no longer wants {things} : order {order} is void ."
    return _Record(fields, sentence)


def _meeting(draw: _Draw) -> _Record:
    host, guest = draw.person(), draw.person()
    day, moved = draw.two_of(DAYS)
    hour = draw.one_of(NUMBERS)
    fields = [("host", host), ("guest", guest), ("day", day), ("hour", hour)]
    at_place = ""
    if draw.happens():
        room = draw.code("room")
        fields.append(("room", room))
        at_place = f" in room {room}"
    if draw.happens(0.4):
        fields.append(("moved", moved))
        when = f"on {DAYS[moved]} , not on {DAYS[day]}"
        return _Record(fields, f"{guest} now sees {host}{at_place} {when} .")
    when = f"on {DAYS[day]} at {NUMBERS[hour]}"
    return _Record(fields, f"{host} meets {guest} {when}{at_place} .")


def _train(draw: _Draw) -> _Record:
    train, start, end = draw.code("train"), draw.name("place"), draw.name("place")
    fields = [("train", train), ("from", start), ("to", end)]
    track, late = draw.one_of(NUMBERS), draw.one_of(NUMBERS)
    if draw.happens(0.7):
        fields.append(("track", track))
    if draw.happens(0.4):
        fields.append(("late", late))
        sentence = f"Train {train} to {end} is {NUMBERS[late]} minutes late ."
    elif ("track", track) in fields:
        sentence = (
            f"Train {train} goes from {start} to {end} , track {NUMBERS[track]} ."
        )
    else:
        sentence = f"There is a train from {start} to {end} : {train} ."
    return _Record(fields, sentence)


def _parcel(draw: _Draw) -> _Record:
    parcel, sender, receiver = draw.code("parcel"), draw.person(), draw.person()
    fields = [("parcel", parcel), ("sender", sender), ("receiver", receiver)]
    if draw.happens(0.4):
        depot = draw.name("place")
        fields.append(("held", depot))
        return _Record(
            fields,
            f"Parcel {parcel} for {receiver} waits at the depot of {depot} .",
        )
    if draw.happens():
        city = draw.name("place")
        fields.append(("city", city))
        return _Record(
            fields, f"{sender} has sent {receiver} a parcel to {city} : {parcel} ."
        )
    return _Record(fields, f"{receiver} gets parcel {parcel} from {sender} .")


def _worker(draw: _Draw) -> _Record:
    name, company = draw.person(), draw.name("company")
    job, born = draw.one_of(JOBS), draw.name("place")
    fields = [("name", name), ("job", job), ("employer", company)]
    from_place = ""
    if draw.happens():
        fields.append(("born", born))
        from_place = f" from {born}"
    if draw.happens(0.4):
        years = draw.one_of(NUMBERS)
        fields.append(("years", years))
        return _Record(
            fields,
            f"{name} has been {JOBS[job]} at {company} for {NUMBERS[years]} years .",
        )
    return _Record(fields, f"{name} , {JOBS[job]}{from_place} , works for {company} .")


def _invoice(draw: _Draw) -> _Record:
    invoice, payer, price = (
        draw.code("invoice"),
        draw.name("company"),
        draw.code("price"),
    )
    fields = [("invoice", invoice), ("payer", payer), ("total", price)]
    day = draw.one_of(DAYS)
    if draw.happens():
        fields.append(("due", day))
        return _Record(
            fields,
            f"{payer} must pay {price} crowns by {DAYS[day]} ( invoice {invoice} ) .",
        )
    fields.append(("paid", day))
    return _Record(
        fields, f"Invoice {invoice} is settled : {payer} paid {price} on {DAYS[day]} ."
    )


_RECORDS = (_contact, _order, _meeting, _train, _parcel, _worker, _invoice)

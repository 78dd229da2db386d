"""Detect the encoding of a text: byte order mark, UTF-8, or the most plausible legacy encoding.

Only encodings in common use are considered. The result includes its certainty; below `SURE` none is
chosen, because a wrong guess would garble names.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

import charset_normalizer

from connectors.sdk import ConfigurationError, DataError
from connectors.sdk.bodies.charsets import known_codec

# The longer byte order marks first, as UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
WESTERN = "cp1252"
SURE = 0.75
"""Below this certainty the user must set the encoding."""
STATED = "byte order mark"

_UTF8_PART = re.compile(
    rb"(?P<valid>[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
    rb"|\xf4[\x80-\x8f][\x80-\xbf]{2})|[\x80-\xff]"
)
_HIGH = re.compile(rb"[\x80-\xff]+")
_BYTES = re.compile(rb"[A-Za-z\x80-\xff]+")
_FEWEST = 5
"""With fewer bytes above ASCII, only Western European is considered."""
_FEW = 12
"""With fewer bytes above ASCII, two plausible alphabets cannot be distinguished."""
_MOSTLY = 0.5
"""Legacy text is rarely valid UTF-8 by chance: 10 % in the densest East Asian encodings."""
_MIXED = 0.25

_WEST = ("àáâãäåæçèéêëìíîïñòóôõöøœùúûüßÿ",)  # š, ž, ð, þ and ý usually indicate another encoding
_CENTRAL = (
    "ąćęłńóśźż",
    "áčďéěíňóřšťúůýžäĺľŕô",
    "áéíóöőúüű",
    "ăâîşţ",
    "čšžćđ",
    "äöüß",
)
_LETTERS = {
    WESTERN: _WEST,
    "iso8859_15": _WEST,
    "cp850": _WEST,
    "mac_roman": _WEST,
    "cp1250": _CENTRAL,
    "iso8859_2": _CENTRAL,
    "cp1254": ("çğıöşüâîûi̇",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "õäöüšž"),
}
"""Latin encodings and the letters above ASCII in their texts, by language."""
_OTHER_ALPHABETS = [
    "cp1251",
    "koi8_r",
    "koi8_u",
    "cp866",
    "cp1253",
    "cp1255",
    "cp1256",
    "cp874",
    "cp932",
    "euc_jp",
    "gb18030",
    "big5",
    "cp949",
]
_EAST_ASIAN = frozenset(
    codecs.lookup(name).name for name in ("cp932", "euc_jp", "gb18030", "big5", "cp949")
)
_SCRIPTS = (
    "CYRILLIC",
    "GREEK",
    "HEBREW",
    "ARABIC",
    "THAI",
    "CJK",
    "HANGUL",
    "HIRAGANA",
    "KATAKANA",
)
_MANIFEST = 0.95
_LINES = 64 * 1024
# A word begins after a non-letter; otherwise a long one would be scanned from each letter.
_WORD = re.compile(r"(?<![^\W\d_])[^\W\d_]*[^\x00-\x7f](?:[^\W\d_]|[^\x00-\x7f])*")
_GREEK = re.compile("[\u0391-\u03a9]?[\u03b1-\u03c9]{4,}")
_OPENING = frozenset("€„‘’“¡£§©«®°±µ¿–—•")
_CLOSING = frozenset("€…’“”™©®ª°²³´º»–—•")
_ALONE = "".join(_OPENING | _CLOSING) + "‚‹›·¹¼½¾¢¥¦¬¶×÷\xa0\xad"


@dataclass(frozen=True, slots=True)
class Encoding:
    """A text encoding: its Python name, how many bytes of mark to skip, how it was determined."""

    name: str
    mark: int
    origin: str
    certainty: float = 1.0
    """From 0 to 1."""
    plain: bool = False
    """Whether only ASCII was seen, so that the name says nothing about the file."""
    invalid: int = 0
    """Bytes of the sample that are not valid in it."""

    def described(self) -> str:
        """For display: ``cp1252 (detected, 92 % certain)``."""
        how = self.origin
        if self.origin == "detected" and not self.plain:
            how += f", {int(self.certainty * 100)} % certain"
        if self.invalid:
            how += f", {self.invalid} invalid byte{'s' * (self.invalid > 1)} seen"
        return f"{self.name} ({how})"


def marked(sample: bytes) -> Encoding | None:
    """The encoding declared by a byte order mark."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return Encoding(name, len(mark), STATED)
    return None


def detect(sample: bytes, *, complete: bool = False) -> Encoding:
    """The encoding of the beginning of a text.

    `complete`: the sample does not end within a character. Raises DataError for what is not
    text, and if no encoding is certain enough.
    """
    if (found := marked(sample)) is not None:
        return found
    if b"\0" in sample:
        # Mostly Latin text in UTF-16 has a zero in every other byte.
        even, odd = sample[0::2].count(0), sample[1::2].count(0)
        if max(even, odd) * 5 > len(sample):
            return Encoding("utf-16-le" if odd > even else "utf-16-be", 0, "detected", 0.95)
        raise DataError(
            "This is not a text file", hint="It contains zero bytes. Check the format of the source"
        )
    if sample.isascii():
        return Encoding("utf-8", 0, "detected", plain=True)
    if _is_utf8(sample, complete):
        return Encoding("utf-8", 0, "detected")
    valid, invalid = _utf8_parts(sample, complete)
    share = valid / (valid + invalid) if valid + invalid else 1.0
    if share >= _MOSTLY:
        return Encoding("utf-8", 0, "detected", share, invalid=invalid)
    if share >= _MIXED:
        raise _unsure("The file mixes UTF-8 with another encoding", "utf-8 or windows-1252")
    return _legacy(sample)


def _is_utf8(sample: bytes, complete: bool) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, complete)
    except UnicodeDecodeError:
        return False
    return True


def _utf8_parts(sample: bytes, complete: bool) -> tuple[int, int]:
    """How many sequences above ASCII are valid UTF-8, and how many bytes are not."""
    high = b" ".join(_HIGH.findall(sample))
    parts = Counter(found.lastgroup for found in _UTF8_PART.finditer(high))
    cut = 0
    if not complete:  # the last character may be cut off
        tail = sample[-3:]
        cut = next((n for n in (1, 2, 3) if tail[-n:][:1] >= b"\xc0"), 0)
        cut = cut if cut and _UTF8_PART.fullmatch(sample[-cut:]) is None else 0
    return parts["valid"], max(parts[None] - cut, 0)


def _legacy(sample: bytes) -> Encoding:
    lines = b"\n".join(line for line in sample.splitlines() if not line.isascii())[:_LINES]
    latin, other = _latin(lines), _other_alphabet(lines) if _in_runs(lines) else None
    high = len(b"".join(_HIGH.findall(lines)))
    few = high < _FEW
    if latin and latin.name != WESTERN and high < _FEWEST:
        latin = None
    if _within_latin_words(lines):  # `Größe`: only East Asian texts mix scripts within words
        found = latin or (other if other and other.name in _EAST_ASIAN and not few else None)
    elif other and few:
        found = None  # six Russian letters could be French, two Japanese ones Chinese
    else:
        found = other or latin
    if found is None:
        raise _unsure("The encoding of the file cannot be determined", "windows-1252 or cp850")
    return found


def _unsure(what: str, such_as: str) -> DataError:
    return DataError(what, hint=f"Set csv.encoding to the right encoding, such as {such_as}")


def _latin(lines: bytes) -> Encoding | None:
    """The Latin encoding in which the words are plausible; Western European if in doubt."""
    readings = {name: lines.decode(name, "replace") for name in _LETTERS}
    scores = {name: _sense(text, name) for name, text in readings.items()}
    best = max(scores.values())
    if scores[WESTERN] >= max(SURE, best - 0.05):
        return _detected(WESTERN, scores[WESTERN])
    near = [name for name, score in scores.items() if score > best - 0.1]
    if best < _MANIFEST or len({readings[name] for name in near}) > 1:
        return None
    return _detected(max(near, key=lambda one: scores[one]), best)


def _detected(name: str, certainty: float) -> Encoding:
    return Encoding(codecs.lookup(name).name, 0, "detected", certainty)


def _sense(text: str, encoding: str) -> float:
    """The share of characters above ASCII in positions plausible for one language."""
    words = [(word, sum(letter > "\x7f" for letter in word)) for word in _WORD.findall(text)]
    total = sum(high for _, high in words)
    best = 0
    for language in _LETTERS[encoding]:
        letters = frozenset(language)
        if "õ" in letters and "ã" in letters and "ã" not in text.lower():
            letters -= {"õ"}  # Portuguese has both; alone it is a misread Hungarian ő
        best = max(best, sum(high for word, high in words if _makes_sense(word, letters)))
    return best / total if total else 0.0


def _makes_sense(word: str, letters: frozenset[str]) -> bool:
    core = word.strip(_ALONE)
    if not core:
        return True
    before, _, after = word.partition(core)
    return (
        set(before) <= _OPENING
        and set(after) <= _CLOSING
        and all(part < "\x80" or part in letters for part in core.lower().replace("’", ""))
        and (core.isupper() or not any(part > "\x7f" and part.isupper() for part in core[1:]))
    )


def _in_runs(sample: bytes) -> bool:
    """Whether most bytes above ASCII are consecutive, as in non-Latin alphabets."""
    runs = [len(run) for run in _HIGH.findall(sample)]
    return sum(length for length in runs if length > 1) * 2 > sum(runs)


def _within_latin_words(sample: bytes) -> bool:
    """Whether most bytes above ASCII are in words that also have ASCII letters."""
    words = [(len(b"".join(_HIGH.findall(word))), word) for word in _BYTES.findall(sample)]
    within = sum(high for high, word in words if high < len(word))
    return within * 2 > sum(high for high, _ in words)


def _other_alphabet(lines: bytes) -> Encoding | None:
    """An encoding of another alphabet, if nearly all characters are letters of one script."""
    matches = charset_normalizer.from_bytes(lines, cp_isolation=list(_OTHER_ALPHABETS))
    scored = [
        (_letters_of_a_script(str(match)), -match.chaos, match.coherence, match.encoding)
        for match in matches
    ]
    certainty, _, _, name = max(scored, default=(0.0, 0.0, 0.0, ""))
    if name and codecs.lookup(name).name in _EAST_ASIAN and _is_japanese(lines):
        return _detected("cp932", _letters_of_a_script(lines.decode("cp932")))
    return _detected(name, certainty) if certainty >= SURE else None


def _is_japanese(lines: bytes) -> bool:
    """Whether it is Shift JIS: other encodings read as half-width kana, or are invalid."""
    try:
        text = lines.decode("cp932")
    except UnicodeDecodeError:
        return False
    return _letters_of_a_script(text) >= SURE


def _letters_of_a_script(text: str) -> float:
    """The share of characters above ASCII that belong to the most frequent script."""
    scripts: Counter[str] = Counter()
    words = _WORD.findall(text)
    for word in words:
        proper = word.isupper() or not any(letter.isupper() for letter in word[1:])
        if proper and _GREEK.fullmatch(word):  # Greek without an accent is misread Cyrillic
            proper = False
        for letter in word:
            if letter > "\x7f" and proper and letter.isalpha():
                name = unicodedata.name(letter, "")
                scripts[next((s for s in _SCRIPTS if name.startswith(s)), "")] += 1
    del scripts[""]
    total = sum(letter > "\x7f" for word in words for letter in word)
    east_asian = sum(scripts[name] for name in ("CJK", "HANGUL", "HIRAGANA", "KATAKANA"))
    shouted = all(word.isupper() for word in words)  # Hebrew misread as Cyrillic is all capitals
    share = max(east_asian, *scripts.values(), 0) / total if scripts else 0.0
    return share * 0.9 if shouted else share


def given(name: str, sample: bytes) -> Encoding:
    """An encoding set by the user; a byte order mark in the file takes precedence.

    Raises ConfigurationError for an unknown name.
    """
    codec = known_codec(name)
    if codec is None:
        raise ConfigurationError(
            f"There is no text encoding '{name}'",
            hint="Use a name such as utf-8, windows-1252, iso-8859-15 or utf-16",
        )
    if (stated := marked(sample)) is not None:
        plain = codec.replace("-sig", "").replace("_", "-")
        return Encoding(
            stated.name, stated.mark, "given" if stated.name.startswith(plain) else STATED
        )
    plain = codec.replace("-sig", "").replace("_", "-")
    return Encoding({"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(plain, plain), 0, "given")

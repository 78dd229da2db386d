"""Encodings: recognised by their words, stated with their certainty, refused where unsure."""

from __future__ import annotations

import pytest

from connectors.formats.texts.encodings import detect
from connectors.sdk import DataError, Row, RowProblem
from tests.connectors.formats.test_csv_inputs import read, rows

TEXTS = {
    "Dutch": "naam;plaats\nZoë;Coördinatie\nDaniël;Café €5\nRené;’s-Gravenhage\n",
    "German": "Straße;Ort\nMüller;Köln\nGroß;Österreich\nÜber;Ärzte\n",
    "French": "nom;ville\nÉlodie;Orléans\nFrançois;Besançon\nnoël;hôtel\n",
    "Spanish": "nombre\nMuñoz\nÁvila\n¿Qué?\nPeña\n",
    "Polish": "imię;miasto\nŁukasz;Łódź\nMałgorzata;Kraków\nZażółć gęślą jaźń;Gdańsk\n",
    "Czech": "jméno;město\nJiří Dvořák;Plzeň\nŽluťoučký kůň;Brno\nTomáš Černý;Budějovice\n",
    "Hungarian": "név\nÁrvíztűrő tükörfúrógép\nGyőr\nErdős Pál\n",
    "Turkish": "ad\nşehri çok güzeldir\nYılmaz Doğan\nÇağlar Şahin\n",
    "Lithuanian": "vardas\nŽygimantas\nKęstutis\nŠarūnas\nĄžuolas\n",
    "Russian": "имя;город\nАлексей;Москва\nЁлка;Санкт-Петербург\nПривет;Казань\n",
    "Greek": "όνομα\nΓιώργος Παπαδόπουλος\nΑθήνα\nΘεσσαλονίκη καλημέρα\n",
    "Hebrew": "שם\nשלום עולם\nירושלים תל אביב\n",
    "Arabic": "اسم\nمرحبا بالعالم\nالقاهرة\n",
    "Japanese": "名前;都市\n山田太郎;東京\nこんにちは世界;京都\nカタカナ;日本\n",
    "Chinese": "姓名;城市\n张三;北京\n王小明;广州\n你好世界这是一个测试;深圳\n",
    "Korean": "이름;도시\n김철수;서울\n안녕하세요 세계;대구\n",
}
LEGACY = [
    *[(name, "cp1252") for name in ("Dutch", "German", "French", "Spanish")],
    ("Dutch", "iso8859-15"),
    ("German", "cp850"),
    ("German", "mac-roman"),
    *[(name, "cp1250") for name in ("Polish", "Czech", "Hungarian")],
    ("Polish", "iso8859-2"),
    ("Czech", "iso8859-2"),
    ("Turkish", "cp1254"),
    ("Lithuanian", "cp1257"),
    *[("Russian", name) for name in ("cp1251", "koi8-r", "cp866")],
    ("Greek", "cp1253"),
    ("Hebrew", "cp1255"),
    ("Arabic", "cp1256"),
    ("Japanese", "cp932"),
    ("Japanese", "euc_jp"),
    ("Chinese", "gb18030"),
    ("Korean", "cp949"),
]


@pytest.mark.promise("one wrong byte garbles a whole file")
@pytest.mark.parametrize(("language", "encoding"), LEGACY)
def test_a_legacy_encoding_is_recognised_by_its_words(language: str, encoding: str) -> None:
    raw = TEXTS[language].encode(encoding, "ignore")
    found, reader = read(raw, header_row=0)
    cells = [cell for row in found if isinstance(row, Row) for cell in row.data.values()]
    assert cells == raw.decode(encoding).replace("\n", ";").split(";")[:-1]
    assert "% certain" in str(reader.facts["encoding"])


@pytest.mark.parametrize("language", TEXTS)
def test_utf_8_is_recognised_in_every_language(language: str) -> None:
    assert str(read(TEXTS[language], header_row=0)[1].facts["encoding"]).startswith("utf-8")


@pytest.mark.promise("one wrong byte garbles a whole file")
def test_one_invalid_byte_does_not_garble_the_file() -> None:
    """UTF-8 wins, and the byte costs its own row (jawah/charset_normalizer#174)."""
    lines = "".join(f"{n};Renée\n" for n in range(500))
    data = f"id;naam\n{lines}".encode() + b"500;Zo\xeb\n"
    found, reader = read(data, key=("id",))
    names = [item.data["naam"] for item in found if isinstance(item, Row)]
    assert names == ["Renée"] * 500
    (problem,) = (item for item in found if isinstance(item, RowProblem))
    assert problem.key == "500"
    assert reader.facts["encoding"] == "utf-8 (detected, 99 % certain, 1 invalid byte seen)"


def test_the_first_invalid_byte_may_stand_far_above_the_first_letter() -> None:
    plain = b"1;plain\n" * 100_000
    data = b"id;n\n0;Zo\xeb\n" + plain + "2;Zoë\n".encode() * 40_000
    found, _ = read(data)
    assert sum(isinstance(item, RowProblem) for item in found) == 1
    last = next(item for item in reversed(found) if isinstance(item, Row))
    assert last.data["n"] == "Zoë"


def test_a_byte_order_mark_is_stronger_than_a_setting() -> None:
    """The mark belongs to the file, the setting to the one before (LedgerSMB#3648)."""
    assert rows("\ufeffid;n\n1;Zoë\n", encoding="windows-1252") == [{"id": "1", "n": "Zoë"}]


WORDS = (
    "créée Informação Conceição Ações Süßen Füße Gefäß Übergröße größer UITGEËËRD Pää Blåøy Größe "
    "ÉÉN Zoë Curaçao Fryslân José Café Åäö Æø naïve Weiß Straße coördinatie MÜLLER Øl Ångström été"
)


def reading(word: str) -> str | None:
    """A file with that word in windows-1252, as it is read; None where that is refused."""
    sample = f"id,name\n1,{word}\n".encode("cp1252")
    try:
        return sample.decode(detect(sample, complete=True).name).split(",")[2].strip()
    except DataError:
        return None


def test_one_short_word_is_read_right_or_refused() -> None:
    """High letters that stand together, as in `öß`, are no other alphabet's."""
    found = {word: reading(word) for word in WORDS.split()}
    assert {word: read for word, read in found.items() if read not in (word, None)} == {}
    assert list(found.values()).count(None) <= 3


@pytest.mark.parametrize(
    ("encoding", "text"), [("cp1251", "Москва"), ("cp1250", "Łódź"), ("cp932", "NHK東京")]
)
def test_a_few_letters_of_another_alphabet_are_not_guessed(encoding: str, text: str) -> None:
    with pytest.raises(DataError, match="cannot be determined"):
        detect(f"id,name\n1,{text}\n".encode(encoding), complete=True)


EAST_ASIAN = {
    "cp932": "東京都千代田区霞が関、大阪市北区、名古屋市中区、アメリカ合衆国",
    "euc_jp": "東京都千代田区霞が関、大阪市北区、名古屋市中区、アメリカ合衆国",
    "cp949": "서울특별시 강남구 테헤란로 부산광역시 해운대구 대전 도서관은 월요일에 쉽니다",
    "gb18030": "北京市朝阳区建国路上海市浦东新区广州图书馆星期一休息",
    "big5": "臺北市中正區重慶南路高雄市前鎮區圖書館星期一休息",
}


@pytest.mark.parametrize("encoding", EAST_ASIAN)
@pytest.mark.parametrize("length", [2, 4, 8, 16, 24])
def test_east_asian_text_is_read_right_or_refused(encoding: str, length: int) -> None:
    text = EAST_ASIAN[encoding][:length]
    sample = f"id,name\n1,{text}\n".encode(encoding)
    try:
        found = sample.decode(detect(sample, complete=True).name).split(",")[2].strip()
    except DataError:
        found = None
    assert found in ((text,) if length >= 8 else (text, None))

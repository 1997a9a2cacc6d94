from __future__ import annotations

from collections.abc import Callable

import pytest

from npmguard.model import Fact, FactKind
from tests.javascript_facts import read

CODE = "fetch('u', {method: 'POST', body: 'hidden'})"


def selectors(data: bytes) -> str:
    return "".join(chr(0xFE00 + each if each < 16 else 0xE0100 + each - 16) for each in data)


def bits(text: str, zero: str, one: str) -> str:
    return "".join((zero, one)[int(bit)] for each in text for bit in f"{ord(each):08b}")


def shapes(code: str, name: str) -> list[Fact]:
    return [fact for fact in read(code).facts if fact.kind is FactKind.SHAPE and fact.name == name]


HIDDEN = {
    "a byte a selector": selectors(CODE.encode()),
    "a letter a selector from U+E0100": "".join(chr(0xE0100 + ord(each)) for each in CODE),
    "half a byte a selector": "".join(
        chr(0xFE00 + nibble) for each in CODE.encode() for nibble in divmod(each, 16)
    ),
    "tags": "".join(chr(0xE0000 + ord(each)) for each in CODE),
    "private use": "".join(chr(0xE000 + ord(each)) for each in CODE),
    "private use of plane 15": "".join(chr(0xF0000 + ord(each)) for each in CODE),
    "zero-width bits": bits(CODE, "\u200b", "\u200c"),
    "zero-width bits the other way": bits(CODE, "\u2060", "\u200d"),
    "fillers of Hangul": bits(CODE, "\uffa0", "\u3164"),
}


@pytest.mark.parametrize("case", HIDDEN)
@pytest.mark.parametrize(
    "around", ["const s = '{}'; run(s);", "const s = `a{}b`;", "// {}\nf();", "/*{}*/", "x.a{} = 1", "s(`|{}`)"]
)
def test_code_in_unseen_characters_is_read(case: str, around: str) -> None:
    code = around.replace("{}", HIDDEN[case])
    (shape,) = shapes(code, "invisible-payload")
    assert code.encode()[shape.start : shape.end].decode() == HIDDEN[case]
    (fact,) = [fact for fact in read(code).facts if fact.name == "fetch"]
    assert fact.decoded
    assert fact.args == ("u", None)


def braced(text: str) -> str:
    return "".join(f"\\u{{{ord(each):X}}}" for each in text)


def paired(text: str) -> str:
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


@pytest.mark.parametrize("escaped", [braced, paired])
@pytest.mark.parametrize(
    "case", ["a byte a selector", "a letter a selector from U+E0100", "half a byte a selector", "tags"]
)
def test_the_escapes_that_a_minifier_makes_of_them_are_read(case: str, escaped: Callable[[str], str]) -> None:
    text = escaped(HIDDEN[case])
    (shape,) = shapes(f"const s = '{text}';", "invisible-payload")
    assert (shape.start, shape.end) == (11, 11 + len(text))
    assert [fact for fact in read(f"const s = '{text}';").facts if fact.name == "fetch"]


@pytest.mark.parametrize(
    "text",
    [
        "\\ufe0e\\ufe0f" * 4,
        "".join(f"\\u{{E01{each:02X}}}" for each in range(240)),
        "".join(f"\\u20{each:02x}" for each in range(16)) * 3,
        "\\ud83d\\ude00\\ufe0f" * 40,
        "\\udb40\\udc67\\udb40\\udc62\\udb40\\udc65\\udb40\\udc6e\\udb40\\udc67\\udb40\\udc7f",
        "\\u0000\\u0001" * 40,
    ],
)
def test_other_escapes_are_no_payload(text: str) -> None:
    assert shapes(f"x('{text}')", "invisible-payload") == []


def test_what_cannot_be_decoded_is_said() -> None:
    noise = selectors(bytes(each * 37 % 256 for each in range(60)))
    assert shapes(f"x(`{noise}`)", "invisible-payload")
    assert shapes("x(`" + "\ufe0f" * 60 + "`)", "invisible-payload")


def test_one_selector_after_each_visible_letter_is_a_payload_too() -> None:
    code = "x('" + "".join(f"a{each}" for each in selectors(CODE.encode())) + "')"
    assert shapes(code, "invisible-payload")
    assert [fact for fact in read(code).facts if fact.name == "fetch"]


@pytest.mark.parametrize(
    "text",
    [
        "\u2764\ufe0f",
        "\u2764\ufe0f\u263a\ufe0f\u2600\ufe0f" * 40,
        "1\ufe0f\u20e32\ufe0f\u20e3#\ufe0f\u20e3" * 20,
        "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 20,
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f" * 20,
        "\U0001f3f3\ufe0f\u200d\U0001f308" * 30,
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 " * 40,
        "\u0915\u094d\u200d\u0937" * 40,
        "\u845b\U000e0100\u8fbb\U000e0101" * 40,
        "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff",
        "".join(chr(0xFE00 + each) for each in range(16)) + "".join(chr(0xE0100 + each) for each in range(240)),
        "".join(f"{chr(0xE000 + each)} {chr(0xF500 + each)}," for each in range(400)),
        "".join(chr(0xE000 + each) for each in range(300)),
        "".join(chr(0xE000 + each * 7 % 300) for each in range(300)),
        "\u200b" * 40,
        "well\u00adknown hy\u00adphen\u00ada\u00adtion " * 30,
        "\u05e9\u200f abc \u200e\u05dc" * 30,
    ],
)
def test_what_people_write_is_no_payload(text: str) -> None:
    assert shapes(f"x('{text}')", "invisible-payload") == []


OUT = " " * 400


@pytest.mark.parametrize(
    "code",
    [
        f"const a = 1;{OUT}fetch('u')\nconst b = 2;",
        f"// a comment\n{OUT}fetch('u')\nconst b = 2;",
        "const a = 1;" + "\t" * 60 + "fetch('u')\n",
        "const a = 1;" + "\u00a0\u3000" * 100 + "fetch('u')\n",
        f"f(a,{OUT}fetch('u'))\n",
        f"/* license */{OUT}fetch('u')\n",
    ],
)
def test_code_behind_blanks_is_out_of_sight(code: str) -> None:
    (shape,) = shapes(code, "code-out-of-sight")
    assert code.encode()[shape.start :].startswith(b"fetch('u')")


@pytest.mark.parametrize(
    "code",
    [
        f"const a = 1;{OUT}// a comment\n",
        f"const a = 1;{OUT}/* a comment */\n",
        f"const a = '{OUT}fetch()';\n",
        f"const a = `\n{OUT}fetch()\n`;\n",
        f"/*\n * a{OUT}fetch()\n */\n",
        f"const a = f({OUT});\n",
        f"const a = 1;{OUT}\n",
        "".join(f"{' ' * (8 * level)}if (a) {{\n" for level in range(40)) + f"{' ' * 320}fetch('u')\n",
        "\n".join(f"'{'a' * length}',{' ' * (200 - length)}fetch({length})," for length in range(5, 15)),
    ],
)
def test_layout_is_not_out_of_sight(code: str) -> None:
    assert shapes(code, "code-out-of-sight") == []

from __future__ import annotations

import pytest

from npmguard.mail.html import NODE_CAP, read_html


@pytest.mark.parametrize(
    "hiding",
    [
        'style="display:none"',
        'style="DISPLAY : NONE !important"',
        'style="visibility:hidden"',
        'style="font-size:0px"',
        'style="opacity:0"',
        'style="color:#ffffff"',
        'style="color:#fefefe"',
        'style="position:absolute;left:-9999px"',
        "hidden",
        'class="gone"',
        'id="gone2"',
        'style="max-height:0;overflow:hidden"',
        'style="mso-hide:all"',
    ],
)
def test_text_that_nobody_sees_is_told_apart(hiding: str) -> None:
    page = read_html(
        f"<style>.gone{{display:none}} #gone2{{visibility:hidden}}</style><p>seen <span {hiding}>secret</span></p>"  # noqa: E501 - as it stands in a message
    )
    assert "seen" in page.visible
    assert "secret" not in page.visible
    assert "secret" in page.hidden


def test_white_text_on_a_dark_ground_is_seen() -> None:
    assert (
        "button"
        in read_html(
            '<table><tr><td bgcolor="#0366d6"><a style="color:#ffffff" href="x">button</a></td></tr></table>'
        ).visible
    )


@pytest.mark.parametrize(
    "word", ["n<!-- a -->p<!-- b -->m", "n<b>p</b>m", 'n<span style="display:none">x</span>pm', "n&#112;m"]
)
def test_split_words_are_read_whole(word: str) -> None:
    assert "npm" in read_html(f"<p>{word}</p>").visible


def test_hidden_text_inside_a_word_is_counted() -> None:
    assert read_html('<p>ac<span style="font-size:0">zz</span>count</p>').split == 1
    assert read_html('<div style="display:none">Preheader</div><p>Hello</p>').split == 0


def test_every_way_out_is_found() -> None:
    page = read_html(
        '<base href="https://b.example/"><a href="login">in</a><form action="https://f.example"><input type=password>'  # noqa: E501 - as it stands in a message
        '<button formaction="https://g.example">x</button></form><meta http-equiv=refresh content="0; url=https://r.example">'
        '<map><area href="https://a.example"></map><iframe src="https://i.example"></iframe>'
        '<script>window.location.href = "https://s.example/x"</script><a href="https://l.example"><img alt="npm logo" src=x></a>'  # noqa: E501 - as it stands in a message
    )
    targets = {link.target: link for link in page.links}
    assert set(targets) >= {
        "https://b.example/login",
        "https://f.example",
        "https://g.example",
        "https://r.example",
        "https://a.example",
        "https://i.example",
        "https://s.example/x",
        "https://l.example",
    }
    assert targets["https://l.example"].text == "npm logo"
    assert page.passwords == 1
    assert page.images == ("npm logo",)


@pytest.mark.parametrize(
    "text",
    [
        "<div>" * 300_000,
        '<div a="</div>">' * 90_000,
        "<a>" * 300_000,
        "<" * 500_000,
        "<p>x</p>" * 200_000,
        "<table><tr><td>" * 90_000,
    ],
)
def test_pages_made_to_be_slow_are_cut_and_that_is_said(text: str) -> None:
    page = read_html(text)
    assert page.cut
    assert len(page.links) <= NODE_CAP


def test_odd_pages_are_read_without_an_error() -> None:
    for text in (
        "",
        "\x00",
        "<",
        "<!--",
        "<a href=",
        "<svg><a xlink:href='https://x.example'>y</a></svg>",
        "\ud800",
    ):
        read_html(text)
